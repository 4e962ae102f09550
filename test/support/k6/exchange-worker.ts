import { type MessagePort, workerData } from "node:worker_threads";
import type { Answered, Asked } from "./exchange.ts";

// `exchange.ts` gives these.
const { port, flag } = workerData as { readonly port: MessagePort; readonly flag: Int32Array };

port.on("message", (asked: Asked) => {
  void answerTo(asked).then((answered) => {
    port.postMessage(answered);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  });
});

async function answerTo({ url, method, headers, body }: Asked): Promise<Answered> {
  const reading = { text: "", lineMs: [] as number[] };
  const startMs = Date.now();
  let head = { status: 0, headers: {} };
  let error = "";
  try {
    const response = await fetch(url, { method, headers, ...(method === "GET" ? {} : { body }) });
    head = { status: response.status, headers: Object.fromEntries(response.headers) };
    await read(response, reading);
  } catch (cause) {
    error = String(cause);
  }
  const { text, lineMs } = reading;
  return { ...head, body: text, error, startMs, lineMs, endMs: Date.now() };
}

/** Keeps what has come even if the answer breaks off. */
async function read(
  response: Response,
  reading: { text: string; lineMs: number[] },
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    reading.text += decoder.decode(piece, { stream: true });
    const lines = reading.text.split("\n").length - 1;
    while (reading.lineMs.length < lines) reading.lineMs.push(Date.now());
  }
}
