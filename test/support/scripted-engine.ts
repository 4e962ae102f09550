import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What one request to a scripted engine looked like. */
interface SeenRequest {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface ScriptedEngine {
  readonly address: string;
  readonly port: number;
  readonly seen: readonly SeenRequest[];
  /** Requests whose client left before the answer was over. */
  readonly abortedCount: () => number;
  close(): Promise<void>;
}

type Script = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** What an engine answers whatever the test's script says. */
const fixedPages: ReadonlyMap<string, string> = new Map([
  ["/health", "ok\n"],
  ["/metrics", "vllm:num_requests_waiting 0\nvllm:num_requests_running 0\n"],
]);

/** An engine that answers exactly what a test says, bytes and timing; its metrics look idle. */
export async function startScriptedEngine(
  script: Script,
  address = "127.0.0.1",
): Promise<ScriptedEngine> {
  const seen: SeenRequest[] = [];
  let aborted = 0;
  const server: Server = createServer((request, response) => {
    const page = fixedPages.get(request.url ?? "");
    if (page !== undefined) {
      response.end(page);
      return;
    }
    response.on("close", () => {
      if (!response.writableFinished) aborted += 1;
    });
    bodyOf(request).then(
      (body) => {
        const record = { path: request.url ?? "", headers: request.headers, body };
        seen.push(record);
        return script(record, response);
      },
      () => undefined,
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, address, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    address,
    port,
    seen,
    abortedCount: () => aborted,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
