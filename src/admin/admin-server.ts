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

/** A page as it is asked for. */
interface AskedPage {
  /** The path, not decoded. */
  readonly path: string;
  /** The header `accept`. */
  readonly accept: string;
}

/**
 * Path to what it shows for a query; evaluated on every request. A path that ends in `/*` has all paths below it, for which
 * callers need the right to the path without the end.
 */
export type AdminPages = Readonly<
  Record<string, (query: URLSearchParams, asked: AskedPage) => AdminPage | Promise<AdminPage>>
>;

/** Path to the answer to a body; such requests change nothing. */
export type AdminPosts = Readonly<
  Record<string, (body: Buffer, query: URLSearchParams, asked: AskedPage) => AdminPage>
>;

/** Bodies that are read at the same time, the size of each, and the longest pause in it, in milliseconds. */
const bodiesMax = 4;
const bodyBytesMax = 8 * 1024 * 1024;
const bodyPauseMax = 10_000;

const anyBelow = "/*";

/** The answer instead of a page, given its path and `authorization`; undefined for the page itself. */
export type AdminGuard = (
  path: string,
  authorization: string | undefined,
) => Promise<AdminPage | undefined>;

interface AdminLog {
  error(fields: object, message: string): void;
}

export interface AdminServerOptions {
  readonly pages: AdminPages;
  /** Pages that answer to a body; none without. */
  readonly posts?: AdminPosts | undefined;
  readonly guard?: AdminGuard | undefined;
  /** Hosts by which clients may address it; any without. */
  readonly hosts?: KnownHosts | undefined;
  /** Speaks HTTPS as this one; HTTP without. */
  readonly identity?: ServerIdentity | undefined;
}

/** The HTTP port for people, probes and Prometheus: `/metrics`, `/healthz`, `/readyz`, `/ui`, `/debug/…`. */
export class AdminServer {
  readonly #server: Server;

  constructor(options: AdminServerOptions, log: AdminLog) {
    const { pages, posts = {}, guard = noGuard, hosts, identity } = options;
    this.#server = serverOf(identity, (request, response) => {
      if (hosts?.knows(request.headers.host ?? "") === false) {
        return sendText(response, textPage(403, "this host is not known\n"));
      }
      answer({ pages, posts, guard }, request, response).catch((cause: unknown) => {
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

interface Answering {
  readonly pages: AdminPages;
  readonly posts: AdminPosts;
  readonly guard: AdminGuard;
}

async function answer(
  { pages, posts, guard }: Answering,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const target = request.url ?? "/";
  // A client may send a target that is no URL, such as `//`.
  const url = URL.parse(target, "http://admin");
  const path = url?.pathname ?? target;
  const query = url?.searchParams ?? new URLSearchParams();
  const asked = { path, accept: request.headers.accept ?? "" };
  const { authorization } = request.headers;
  const post = Object.hasOwn(posts, path) ? posts[path] : undefined;
  const key = pageKeyOf(pages, path);
  if (request.method === "POST" && post !== undefined) {
    const refusal = await guard(path, authorization);
    const body = refusal ?? (await bodyOf(request));
    const answered = Buffer.isBuffer(body) ? post(body, query, asked) : body;
    await send({ request, response }, answered);
  } else if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", post === undefined ? "GET, HEAD" : "POST");
    const allowed = post === undefined ? "only GET is allowed\n" : "only POST is allowed\n";
    await send({ request, response }, textPage(405, allowed));
  } else if (key === undefined && post !== undefined) {
    response.setHeader("allow", "POST");
    await send({ request, response }, textPage(405, `${path} answers to POST with a body\n`));
  } else if (key === undefined) {
    const known = Object.keys(pages).filter(isListed).join("\n");
    const answered = textPage(404, `${path} not found; pages are\n${known}\n`);
    await send({ request, response }, answered);
  } else {
    const guarded = key.endsWith(anyBelow) ? key.slice(0, -anyBelow.length) : key;
    const refusal = await guard(guarded, authorization);
    const answered = refusal ?? (await pages[key]?.(query, asked)) ?? textPage(404, "");
    await send({ request, response }, answered);
  }
}

/** Files of a page are not listed: they are below it. */
function isListed(path: string, _: number, paths: readonly string[]): boolean {
  return !paths.some((other) => path.startsWith(`${other}/`));
}

/** The key of the page that serves a path; undefined if no page does. */
function pageKeyOf(pages: AdminPages, path: string): string | undefined {
  if (Object.hasOwn(pages, path)) return path.endsWith(anyBelow) ? undefined : path;
  return Object.keys(pages).find(
    (key) =>
      key.endsWith(anyBelow) && path.startsWith(key.slice(0, -1)) && path.length >= key.length,
  );
}

let bodiesRead = 0;

/** Reads the body of a request, or returns the answer if it cannot be read. */
async function bodyOf(request: IncomingMessage): Promise<Buffer | AdminPage> {
  if (bodiesRead >= bodiesMax) return textPage(503, "already reading other bodies; try again\n");
  bodiesRead += 1;
  try {
    return await readBody(request);
  } finally {
    bodiesRead -= 1;
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer | AdminPage> {
  const chunks: Buffer[] = [];
  let size = 0;
  request.setTimeout(bodyPauseMax, () => request.destroy());
  for await (const chunk of request) {
    // A stream of bytes without an encoding has buffers.
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > bodyBytesMax) {
      return textPage(413, `the body is larger than ${bodyBytesMax} bytes\n`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
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
