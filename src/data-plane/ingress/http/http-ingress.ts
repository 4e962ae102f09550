import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import {
  createServer as createHttp2Server,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { listening } from "../../../listening/listen-error.ts";
import type { ServerIdentity } from "../../../listening/server-identity.ts";
import { hostPortOf } from "../../../std/host-port.ts";
import { UnorderedList } from "../../../std/unordered-list.ts";
import type { Ingress } from "../ingress.ts";
import type { Client } from "./client.ts";
import { Http1Client } from "./http1-client.ts";
import { Http2Client } from "./http2-client.ts";
import { type ProxyParts, ProxiedRequest } from "./proxied-request.ts";
import { headersMax } from "./entry/head-mistakes.ts";
import { endAfterAnswer, refuseHead } from "./entry/refused-heads.ts";
import { hasBody, isAnswering, isTunnelled } from "./entry/upgrades.ts";
import { closeIfUnused } from "./entry/unused-sessions.ts";
import { bySpokenProtocol } from "./spoken-protocol.ts";

export interface HttpIngressOptions extends ProxyParts {
  /** Limit for the head of a request, from the connection or the end of the request before. */
  readonly headTimeoutMs: number;
  /** Time that an unused connection of a client is kept. */
  readonly keepAliveMs: number;
  /** Bytes of the head of a request. */
  readonly headBytesMax: number;
  /** Connections of clients; those beyond are closed at once. */
  readonly connectionsMax: number;
  /** The certificate to present; undefined for a port without TLS. */
  readonly identity: ServerIdentity | undefined;
}

/** Requests at once on one connection of HTTP/2; clients open more connections or wait. */
const streamsMax = 256;

/** Interval between two looks for connections to engines that have not been used. */
const pruneIntervalMs = 10_000;

/** HTTP/1.1 and HTTP/2 without TLS on one port: the gateway that connects clients with engines itself. */
export class HttpIngress implements Ingress {
  readonly #options: HttpIngressOptions;
  readonly #http1: Server;
  readonly #http2: Http2Server;
  readonly #open = new UnorderedList<ProxiedRequest>();
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Connections of clients. */
  readonly #sockets = new UnorderedList<{ readonly socket: Socket; place: number }>();
  /** Connections whose last request was malformed. */
  readonly #mistaken = new WeakSet<Duplex>();
  #requestsTotal = 0;
  #connectionsRefusedTotal = 0;
  #isLeaving = false;
  #cancelPrune: (() => void) | undefined;

  constructor(options: HttpIngressOptions) {
    this.#options = options;
    this.#http1 = this.#http1Server();
    this.#http2 = createHttp2Server({
      settings: { maxConcurrentStreams: streamsMax },
      maxHeaderListPairs: headersMax,
    });
    this.#http2.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.#serve(new Http2Client(stream, headers, options.headBytesMax));
    });
    this.#http2.on("session", (session: ServerHttp2Session) => {
      this.#sessions.add(session);
      session.on("close", () => this.#sessions.delete(session));
      session.on("error", () => undefined);
      closeIfUnused(session, options);
    });
    const { identity, headTimeoutMs: helloTimeoutMs, clock } = options;
    const refuse = (socket: Socket) => {
      refuseHead(new Error("the request line has two spaces in a row"), socket, clock);
      socket.resume();
    };
    bySpokenProtocol(this.#http1, this.#http2, { identity, helloTimeoutMs, refuse });
    this.#http1.on("connection", (socket: Socket) => {
      const open = { socket, place: -1 };
      this.#sockets.add(open);
      socket.once("close", () => this.#sockets.delete(open));
    });
  }

  get openRequests(): number {
    return this.#open.size;
  }

  get requestsTotal(): number {
    return this.#requestsTotal;
  }

  /** Connections of clients that were closed because there were too many. */
  get connectionsRefusedTotal(): number {
    return this.#connectionsRefusedTotal;
  }

  /** Connections of clients that are open. */
  connections(): Promise<number> {
    return new Promise((resolve) => {
      this.#http1.getConnections((_, count) => resolve(count));
    });
  }

  listen(address: string, port: number): Promise<number> {
    this.#pruneLater();
    return listening(this.#http1, { address, port, hostPort: hostPortOf(address, port) });
  }

  announceEnd(): void {
    this.#isLeaving = true;
  }

  goAway(): void {
    this.#isLeaving = true;
    this.#http1.close();
    this.#http1.closeIdleConnections();
    for (const session of this.#sessions) session.close();
  }

  abort(): void {
    this.goAway();
    for (const request of this.#open.list()) request.cut();
    this.#http1.closeAllConnections();
    for (const session of this.#sessions) session.destroy();
    // The servers do not know the connections that have not said which protocol they speak.
    for (const { socket } of this.#sockets.list()) socket.destroy();
    this.#cancelPrune?.();
    this.#options.connections.close();
  }

  #http1Server(): Server {
    const { headTimeoutMs, keepAliveMs, headBytesMax } = this.#options;
    const server = createServer({
      headersTimeout: headTimeoutMs,
      // The total limit of a request applies, which may be none.
      requestTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      maxHeaderSize: headBytesMax,
      // Node.js would serve what follows a request without one.
      requireHostHeader: false,
      connectionsCheckingInterval: 1_000,
      ...upgradeOptions,
    });
    server.maxHeadersCount = headersMax + 1;
    server.maxConnections = this.#options.connectionsMax;
    server.on("drop", () => void (this.#connectionsRefusedTotal += 1));
    const { clock } = this.#options;
    server.on("clientError", (cause, socket) => refuseHead(cause, socket, clock));
    server.on("request", (request, response) => {
      this.#serveHttp1(request, response, new Http1Client(request, response));
    });
    server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      const client = new Http1Client(request, response, { waitsToContinue: true });
      this.#serveHttp1(request, response, client);
    });
    server.on("checkExpectation", ({ socket }: IncomingMessage, response: ServerResponse) => {
      if (this.#mistaken.has(socket)) return;
      this.#mistaken.add(socket);
      response.shouldKeepAlive = false;
      response.writeHead(417).end();
    });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, first: Buffer) => {
      this.#serveUpgrade(request, socket, first);
    });
    return server;
  }

  #serveHttp1(request: IncomingMessage, response: ServerResponse, client: Client): void {
    const { socket } = request;
    // Requests that were sent after a malformed one may be a part of it.
    if (this.#mistaken.has(socket)) return;
    // The client learns with its answer that the connection will not be used again.
    if (this.#isLeaving) response.shouldKeepAlive = false;
    this.#serve(client, () => {
      response.shouldKeepAlive = false;
      this.#mistaken.add(socket);
    });
  }

  #serveUpgrade(request: IncomingMessage, socket: Duplex, first: Buffer): void {
    const { headers } = request;
    const { clock } = this.#options;
    socket.on("error", () => undefined);
    // Node.js before 24.9 asks no callback, so an earlier answer may be under way.
    if (isAnswering(socket)) return void socket.destroy();
    const isTunnel = isTunnelled(headers);
    // It also hands over the connection with the body unread.
    if (!isTunnel && hasBody(headers)) {
      return refuseHead(new Error("an upgrade has a body"), socket, clock);
    }
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // Node.js gives upgrades the socket of the connection.
    response.assignSocket(socket as Socket);
    // Node.js gives the connection up with the upgrade, so nothing else closes it after a refusal.
    response.once("finish", () => endAfterAnswer(socket, clock));
    const upgrade = { protocol: headers.upgrade ?? "", first };
    this.#serve(new Http1Client(request, response, isTunnel ? { upgrade } : {}));
  }

  #serve(client: Client, onMistake?: () => void): void {
    this.#requestsTotal += 1;
    const request: ProxiedRequest = new ProxiedRequest(client, this.#options, () => {
      this.#open.delete(request);
    });
    this.#open.add(request);
    if (request.isMalformed) onMistake?.();
    request.start();
  }

  #pruneLater(): void {
    const { clock, connections } = this.#options;
    this.#cancelPrune = clock.after(pruneIntervalMs, () => {
      connections.prune(clock.nowMs());
      this.#pruneLater();
    });
  }
}

/**
 * Upgrades that do not become tunnels are ignored: clients of HTTP/2 send one with any request. So is one that was sent
 * before the answer to an earlier request, which has to leave first.
 */
const upgradeOptions: object = {
  shouldUpgradeCallback: ({ headers, socket }: IncomingMessage) =>
    isTunnelled(headers) && !isAnswering(socket),
};
