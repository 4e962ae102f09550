import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import { hostPortOf } from "../std/host-port.ts";
import { listening } from "../listening/listen-error.ts";
import type { KnownHosts } from "../listening/known-hosts.ts";
import type { ServerIdentity } from "../listening/server-identity.ts";
import { sendChunks } from "./chunked-page.ts";

/** One page of the admin port. */
export interface AdminPage {
  readonly contentType: string;
  readonly httpStatus: number;
  /** A large page comes in chunks, which are made while it is read. */
  readonly body: string | AsyncIterable<string>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page that is short enough to be made at once. */
export interface TextPage extends AdminPage {
  readonly body: string;
}

const failedText = "internal error; see the log\n";

/** Path to what it shows for a query; evaluated on every request. */
export type AdminPages = Readonly<
  Record<string, (query: URLSearchParams) => AdminPage | Promise<AdminPage>>
>;

/** The answer instead of a page, given its path and `authorization`; undefined for the page itself. */
export type AdminGuard = (
  path: string,
  authorization: string | undefined,
) => Promise<AdminPage | undefined>;

interface AdminLog {
  error(fields: object, message: string): void;
}

interface AdminServerOptions {
  readonly pages: AdminPages;
  readonly guard?: AdminGuard | undefined;
  /** Hosts by which clients may address it; any without. */
  readonly hosts?: KnownHosts | undefined;
  /** Speaks HTTPS as this one; HTTP without. */
  readonly identity?: ServerIdentity | undefined;
}

/** The HTTP port for people, probes and Prometheus: `/metrics`, `/healthz`, `/readyz`, `/debug/…`. */
export class AdminServer {
  readonly #server: Server;

  constructor({ pages, guard = noGuard, hosts, identity }: AdminServerOptions, log: AdminLog) {
    this.#server = serverOf(identity, (request, response) => {
      if (hosts?.knows(request.headers.host ?? "") === false) {
        return sendText(response, textPage(403, "this host is not known\n"));
      }
      answer({ pages, guard }, request, response).catch((cause: unknown) => {
        log.error({ path: request.url, err: cause }, "admin page failed");
        if (response.headersSent) response.destroy();
        else sendText(response, textPage(500, failedText));
      });
    });
  }

  /** Resolves to the port; rejects with one readable line if it cannot listen. */
  listen(address: string, port: number): Promise<number> {
    return listening(this.#server, { address, port, hostPort: hostPortOf(address, port) });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

function serverOf(identity: ServerIdentity | undefined, listener: RequestListener): Server {
  if (identity === undefined) return createServer(listener);
  const { asksClients } = identity;
  const server = createTlsServer(
    { ...identity.options, requestCert: asksClients, rejectUnauthorized: asksClients },
    listener,
  );
  identity.onReplaced((options) => server.setSecureContext(options));
  return server;
}

function noGuard(): Promise<undefined> {
  return Promise.resolve(undefined);
}

async function answer(
  { pages, guard }: { readonly pages: AdminPages; readonly guard: AdminGuard },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url ?? "/";
  // A client may send a target that is no URL, such as `//`.
  const url = URL.parse(target, "http://admin");
  const path = url?.pathname ?? target;
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    await send({ request, response }, textPage(405, "only GET is allowed\n"));
  } else if (page === undefined) {
    const known = Object.keys(pages).join("\n");
    const answered = textPage(404, `${path} not found; pages are\n${known}\n`);
    await send({ request, response }, answered);
  } else {
    const refusal = await guard(path, request.headers.authorization);
    const answered = refusal ?? (await page(url?.searchParams ?? new URLSearchParams()));
    await send({ request, response }, answered);
  }
}

async function send(
  answering: { readonly request: IncomingMessage; readonly response: ServerResponse },
  page: AdminPage,
): Promise<void> {
  const { httpStatus, body, contentType } = page;
  if (typeof body === "string") sendText(answering.response, { ...page, body });
  else {
    const headers = { ...page.headers, "content-type": contentType };
    await sendChunks(answering, { httpStatus, headers, chunks: body });
  }
}

function sendText(
  response: ServerResponse,
  { httpStatus, contentType, headers, body }: TextPage,
): void {
  response.writeHead(httpStatus, {
    ...headers,
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

export function textPage(httpStatus: number, body: string): TextPage {
  return { httpStatus, contentType: "text/plain; charset=utf-8", body };
}

export function jsonPage(value: unknown): TextPage {
  return {
    httpStatus: 200,
    contentType: "application/json",
    body: `${JSON.stringify(value, undefined, 2)}\n`,
  };
}
