import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Outcome } from "../../src/core/decision.ts";
import { errorResponseOf } from "../../src/core/errors.ts";
import type { RequestHead } from "../../src/core/request.ts";
import type { Pipeline } from "../../src/data-plane/pipeline.ts";

/** An HTTP/1.1 proxy in front of a data plane: shows that an ingress needs nothing of ext_proc. */
export async function startHttpIngress(dataPlane: Pick<Pipeline, "begin">) {
  const server = http.createServer((request, response) => void serve(request, response, dataPlane));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // A server that listens on TCP has an address with a port.
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.close().closeAllConnections();
      await once(server, "close");
    },
  };
}

type Exchange = ReturnType<Pipeline["begin"]>;

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  dataPlane: Pick<Pipeline, "begin">,
): Promise<void> {
  const head = headOf(request);
  const exchange = dataPlane.begin(head, true);
  const left = new AbortController();
  response.on("close", () => exchange.end("aborted", "client"));
  response.on("close", () => left.abort());
  // Undefined if the client leaves during the upload.
  const body = await buffer(request).catch(() => undefined);
  if (body === undefined) return;
  const outcome = await exchange.decide(exchange.bodyUse === "none" ? "not_wanted" : body);
  if (outcome.kind === "gone") return;
  if (outcome.kind === "refused") {
    const { httpStatus, headers, body: text } = errorResponseOf(outcome.refusal, head);
    exchange.end("refused");
    return void response.writeHead(httpStatus, headers.flat()).end(text);
  }
  const engine = await sent(request, outcome, { body: outcome.body ?? body, left: left.signal });
  if (engine !== undefined) return relay(engine.answer, response, { exchange, ...engine });
  exchange.responseHead(seen(502, new Map()));
  exchange.end("complete");
  response.writeHead(502).end();
}

/** Headers of one connection, and those for a body in pieces: here it is complete. */
const ofConnection = ["host", "connection", "keep-alive", "te", "transfer-encoding", "expect"];

/** The answer of the first target that can be reached; undefined if none can, or the client has left. */
async function sent(
  request: IncomingMessage,
  { decision, headers }: Extract<Outcome, { kind: "routed" }>,
  { body, left: signal }: { readonly body: Uint8Array; readonly left: AbortSignal },
) {
  for (const [index, { hostPort }] of decision.targets.entries()) {
    const change = headers[index] ?? headers[0];
    const named = valuesOf(request.headers);
    for (const name of [...ofConnection, ...change.removed]) named.delete(name);
    for (const [name, value] of change.set) named.set(name, value);
    named.set("content-length", String(body.length));
    const { method, url: path } = request;
    const options = { method, path, headers: Object.fromEntries(named) };
    const outgoing = http.request(`http://${hostPort}`, options);
    outgoing.on("error", () => undefined).end(body);
    try {
      // An `IncomingMessage` is all that this event carries.
      const [answer] = (await once(outgoing, "response", { signal })) as [IncomingMessage];
      return { answer, servedBy: hostPort };
    } catch {
      outgoing.destroy(); // Refused or reset: the next target.
      if (signal.aborted) return undefined;
    }
  }
  return undefined;
}

async function relay(
  answer: IncomingMessage,
  response: ServerResponse,
  { exchange, servedBy }: { readonly exchange: Exchange; readonly servedBy: string },
): Promise<void> {
  const change = exchange.responseHead(seen(answer.statusCode, valuesOf(answer.headers), servedBy));
  const { "content-length": length, ...others } = answer.headers;
  const kept = change.changesLength || length === undefined ? {} : { "content-length": length };
  const set = Object.fromEntries(change.set);
  response.writeHead(answer.statusCode ?? 502, { ...others, ...kept, ...set });
  // A client that leaves ends the engine's work.
  response.on("close", () => answer.destroy());
  try {
    for await (const chunk of answer) response.write(exchange.responseChunk(chunk, false) ?? chunk);
    exchange.end("complete");
    response.end(exchange.responseRest());
  } catch {
    exchange.end("aborted", "engine");
    response.destroy();
  }
}

function seen(httpStatus: number | undefined, headers: Map<string, string>, servedBy?: string) {
  return { httpStatus, headers, servedBy, showsBody: true, showsWholeBody: true };
}

function headOf({ method = "", url: path = "", headers }: IncomingMessage): RequestHead {
  const values = valuesOf(headers);
  const id = values.get("x-request-id") ?? crypto.randomUUID();
  return { id, method, path, headers: values, subset: undefined };
}

function valuesOf(headers: IncomingMessage["headers"]): Map<string, string> {
  return new Map(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}
