import { tryPort } from "../../src/demo/ports.ts";

/**
 * A port of 127.0.0.1 on which nobody listens. It is below those that the system gives away, so that
 * neither a connection nor a listener on port 0 takes it before its user does.
 */
export async function freePort(): Promise<number> {
  const trial = await tryPort(lowest + Math.floor(Math.random() * (lowestGiven - lowest)));
  return trial.kind === "free" ? trial.port : freePort();
}

/** Below are the ports that gateways and proxies in the same network ask for by number. */
const lowest = 20_000;

/** Where Linux begins unless told otherwise; other systems begin higher. */
const lowestGiven = 32_768;
