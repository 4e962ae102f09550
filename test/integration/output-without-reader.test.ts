import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";

it("ends quietly if the reader of its output has left", async () => {
  const child = spawn(process.execPath, ["src/main.ts", "check", "--help"]);
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  // It takes longer to start than this.
  child.stdout.destroy();
  expect([await once(child, "exit"), errors]).toEqual([[0, null], ""]);
});
