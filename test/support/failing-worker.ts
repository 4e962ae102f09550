/** A worker thread of `serve` that fails or hangs if a test asks for it. */
import { parentPort } from "node:worker_threads";

parentPort?.on("message", (message: { readonly kind: string }) => {
  if (message.kind === "go-wrong") throw new Error("the test asked for it");
  while (message.kind === "hang");
});
await import("../../src/gateway/ext-proc-thread.ts");
