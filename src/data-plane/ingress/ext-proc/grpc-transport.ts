import { fileURLToPath } from "node:url";
import {
  experimental,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { ProcessingRequest__Output } from "./generated/envoy/service/ext_proc/v3/ProcessingRequest.ts";
import type { ProcessingResponse } from "./generated/envoy/service/ext_proc/v3/ProcessingResponse.ts";
import type { ProtoGrpcType } from "./generated/external_processor.ts";
import type { HealthService } from "./health.ts";
import { hostPortOf } from "../../../core/endpoint.ts";
import { allowResets, widenConnections, widenStreams } from "./http2-tuning.ts";
import { bound } from "./listening.ts";
import type { ServerCertificate } from "./tls.ts";
import type { OpenStream, Transport } from "./transport.ts";
import { messageOf, responseOf } from "./wire.ts";

export interface GrpcTransportOptions {
  /** Cleartext HTTP/2 where undefined. */
  readonly certificate: ServerCertificate | undefined;
  /** Largest gRPC message taken, in bytes. */
  readonly receivedBytesMax: number;
  /** Largest gRPC message sent, in bytes; undefined: no limit. */
  readonly sentBytesMax: number | undefined;
  /** Served on the same port too, for gateways that check the health of a cluster there. */
  readonly health: HealthService | undefined;
}

type Call = ServerDuplexStream<ProcessingRequest__Output, ProcessingResponse>;

/** ext_proc over gRPC on `@grpc/grpc-js`. */
export class GrpcTransport implements Transport {
  readonly #server: Server;
  readonly #credentials: ServerCredentials;
  #openStreams = 0;
  #streamsTotal = 0;

  constructor(options: GrpcTransportOptions, open: OpenStream) {
    this.#server = new Server({
      // With the option on, a second process could take the same port without an error.
      "grpc.so_reuseport": 0,
      "grpc.max_receive_message_length": options.receivedBytesMax,
      "grpc.max_send_message_length": options.sentBytesMax ?? -1,
    });
    allowResets(this.#server);
    widenStreams(this.#server);
    this.#credentials = credentialsOf(options.certificate);
    this.#server.addService(externalProcessor(), {
      Process: (call: Call) => {
        this.#openStreams += 1;
        this.#streamsTotal += 1;
        serve(call, open, () => {
          this.#openStreams -= 1;
        });
      },
    });
    options.health?.addTo(this.#server);
  }

  get openStreams(): number {
    return this.#openStreams;
  }

  get streamsTotal(): number {
    return this.#streamsTotal;
  }

  async listen(address: string, port: number): Promise<number> {
    const listening = await bound(this.#server, hostPortOf(address, port), this.#credentials);
    widenConnections(this.#server);
    return listening;
  }

  goAway(): void {
    // What it reports, `abort` or the end of the last connection, is nothing to act on.
    this.#server.tryShutdown(() => undefined);
  }

  abort(): void {
    this.#server.forceShutdown();
  }
}

/** Connects one gRPC call with one stream handler. */
function serve(call: Call, open: OpenStream, onClosed: () => void): void {
  let isClosed = false;
  const handler = open({
    answer: (answer) => {
      if (isClosed) return;
      // A proxy that does not read its answers stops being read itself, so nothing piles up here.
      if (!call.write(responseOf(answer)) && !call.isPaused()) call.pause();
    },
    finish: () => {
      if (!isClosed) call.end();
    },
  });
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    handler.closed();
    onClosed();
  };
  call.on("data", (wire: ProcessingRequest__Output) => {
    const message = messageOf(wire);
    if (message !== undefined && !isClosed) handler.message(message);
  });
  call.on("drain", () => call.resume());
  call.on("end", () => {
    close();
    call.end();
  });
  call.on("cancelled", close);
  call.on("error", close);
  call.on("close", close);
}

function credentialsOf(certificate: ServerCertificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  return experimental.createCertificateProviderServerCredentials(certificate, null, false);
}

function externalProcessor() {
  // The same place from `src` and from `dist`.
  const protos = fileURLToPath(new URL("../../../../protos", import.meta.url));
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
