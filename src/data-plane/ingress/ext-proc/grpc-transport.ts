import {
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { ProcessingRequest__Output } from "./generated/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { ProcessingResponse } from "./generated/envoy/service/ext_proc/v3/ProcessingResponse.ts";
import type { ProtoGrpcType } from "./generated/external_processor.ts";
import type { Ingress } from "../ingress.ts";
import { serveHealth } from "../grpc/grpc-js-health.ts";
import { allowResets, connectionOf, widenConnections, widenStreams } from "../grpc/http2-tuning.ts";
import type { PortListener } from "../../../listening/port-listener.ts";
import { placeAbove } from "../../../std/place-above.ts";
import type { ClosedBy, OpenStream, TransportOptions } from "./transport.ts";
import { messageOf, responseOf } from "./wire.ts";

type Call = ServerDuplexStream<ProcessingRequest__Output, ProcessingResponse>;

/** ext_proc over gRPC on `@grpc/grpc-js`. */
export class GrpcTransport implements Ingress {
  readonly #server: Server;
  readonly #listener: PortListener;
  #openRequests = 0;
  #requestsTotal = 0;
  #isCut = false;

  constructor(options: TransportOptions, open: OpenStream) {
    this.#listener = options.listener;
    this.#server = new Server({
      "grpc.max_receive_message_length": options.receivedBytesMax,
      "grpc.max_send_message_length": options.sentBytesMax ?? -1,
    });
    allowResets(this.#server);
    widenStreams(this.#server);
    this.#server.addService(externalProcessor(), {
      Process: (call: Call) => {
        this.#openRequests += 1;
        this.#requestsTotal += 1;
        const connection = connectionOf(call);
        serve(call, open, () => {
          this.#openRequests -= 1;
          if (this.#isCut) return "drain";
          return connection?.destroyed === true ? "proxy" : "unknown";
        });
      },
    });
    if (options.health !== undefined) serveHealth(options.health, this.#server);
  }

  get openRequests(): number {
    return this.#openRequests;
  }

  get requestsTotal(): number {
    return this.#requestsTotal;
  }

  listen(address: string, port: number): Promise<number> {
    // The listener has already decrypted the bytes.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    widenConnections(this.#server);
    return this.#listener.listen(address, port, (socket) => injector.injectConnection(socket));
  }

  goAway(): void {
    this.#listener.close();
    // The callback runs on `abort` or the end of the last connection, and neither needs an action.
    this.#server.tryShutdown(() => undefined);
  }

  abort(): void {
    this.#isCut = true;
    this.#listener.close();
    this.#server.forceShutdown();
  }
}

/** Connects one gRPC call with one stream handler; `onClosed` returns the cause of the close. */
function serve(call: Call, open: OpenStream, onClosed: () => ClosedBy): void {
  let isClosed = false;
  let isUnread = false;
  let isHeld = false;
  const resume = () => {
    if (!isUnread && !isHeld) call.resume();
  };
  const handler = open({
    answer: (answer) => {
      if (isClosed || call.write(responseOf(answer))) return;
      // Stop reading from a proxy that does not read its answers, so that answers cannot pile up.
      isUnread = true;
      call.pause();
    },
    finish: () => {
      if (!isClosed) call.end();
    },
    pause: () => {
      isHeld = true;
      call.pause();
    },
    resume: () => {
      isHeld = false;
      resume();
    },
  });
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    handler.close(onClosed());
  };
  call.on("data", (wire: ProcessingRequest__Output) => {
    const message = messageOf(wire);
    if (message !== undefined && !isClosed) handler.receive(message);
  });
  call.on("drain", () => {
    isUnread = false;
    resume();
  });
  call.on("end", () => {
    if (handler.ends?.() === false) return;
    close();
    call.end();
  });
  call.on("cancelled", close);
  call.on("error", close);
  call.on("close", close);
}

function externalProcessor() {
  const protos = placeAbove(import.meta.dirname, "protos");
  const definition = loadSync("envoy/service/ext_proc/v3/external_processor.proto", {
    keepCase: true,
    longs: Number,
    oneofs: true,
    includeDirs: [protos],
  });
  // The definition was loaded from the very files that the generated type describes.
  const loaded = loadPackageDefinition(definition) as unknown as ProtoGrpcType;
  return loaded.envoy.service.ext_proc.v3.ExternalProcessor.service;
}
