import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { PortListener } from "../../../listening/port-listener.ts";
import type { Clock } from "../../../std/clock.ts";
import { EventLoopTurn } from "../../../std/event-loop-turn.ts";
import { Slabs } from "../http2/output.ts";
import { ServerConnection } from "../http2/server-connection.ts";
import type { ServeStream } from "../http2/server-session.ts";
import type { CallLimits } from "./grpc-call.ts";
import { type Method, methodsServer } from "./methods-server.ts";

interface GrpcPortOptions extends CallLimits {
  /** Owns the port and TLS. */
  readonly listener: PortListener;
  readonly clock: Clock;
}

/** A port that serves gRPC methods on frames of our own. */
export class GrpcPort {
  readonly #options: GrpcPortOptions;
  readonly #serve: ServeStream;
  readonly #slabs = new Slabs();
  readonly #turn: EventLoopTurn;
  readonly #connections = new Set<ServerConnection>();

  /** @param methods by path: `/package.Service/Method` */
  constructor(options: GrpcPortOptions, methods: Iterable<readonly [string, Method]>) {
    this.#options = options;
    const { clock } = options;
    this.#turn = new EventLoopTurn(clock);
    this.#serve = methodsServer({ methods: new Map(methods), limits: options, clock });
  }

  listen(address: string, port: number): Promise<number> {
    return this.#options.listener.listen(address, port, (socket) => this.#accept(socket));
  }

  /** Takes no more connections or streams; open streams go on. */
  goAway(): void {
    this.#options.listener.close();
    for (const connection of this.#connections) connection.goAway();
  }

  /** Ends all connections. */
  abort(): void {
    this.#options.listener.close();
    for (const connection of this.#connections) connection.destroy();
  }

  #accept(socket: Duplex): void {
    if (socket instanceof Socket) socket.setNoDelay(true);
    const connection = new ServerConnection(socket, {
      serve: this.#serve,
      slabs: this.#slabs,
      turn: this.#turn,
      clock: this.#options.clock,
      onClosed: (closed) => void this.#connections.delete(closed),
    });
    this.#connections.add(connection);
  }
}
