import assert from "node:assert/strict";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { record } from "./record.ts";

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly error: string;
  readonly startMs: number;
  /** Times at which lines of the body had come, as many as it has lines. */
  readonly lineMs: readonly number[];
  readonly endMs: number;
}

const answerMsMax = 20_000;

const flag = new Int32Array(new SharedArrayBuffer(4));
const { port1: port, port2 } = new MessageChannel();
const worker = new Worker(new URL("./exchange-worker.ts", import.meta.url), {
  workerData: { port: port2, flag },
  transferList: [port2],
});
worker.unref();
port.unref();

/** Sends a request and waits for its whole answer: k6's calls block, so this one does too. */
export function exchange(asked: Asked): Answered {
  Atomics.store(flag, 0, 0);
  port.postMessage(asked);
  assert(Atomics.wait(flag, 0, 0, answerMsMax) !== "timed-out", `${asked.url} did not answer`);
  // The worker posts this before it wakes this thread.
  const { message } = receiveMessageOnPort(port) as { readonly message: Answered };
  record.requests.push({ ...asked, status: message.status });
  return message;
}
