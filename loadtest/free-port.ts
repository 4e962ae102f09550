import { tryPort } from "../src/operator/demo/ports.ts";

/** A port of 127.0.0.1 that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const trial = await tryPort(0);
  if (trial.kind === "taken") throw new Error(`a free port of 127.0.0.1 ${trial.reason}`);
  return trial.port;
}
