import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { Metadata, Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const definition = loadSync(path.join(import.meta.dirname, "otlp", "trace-service.proto"), {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

interface AnyValue {
  readonly value?: "stringValue" | "boolValue" | "intValue" | "doubleValue" | "arrayValue";
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly AnyValue[] };
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

interface DecodedSpan {
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly KeyValue[];
  readonly events: readonly { readonly name: string; readonly timeUnixNano: string }[];
  readonly status: { readonly code: string; readonly message: string } | null;
}

interface DecodedRequest {
  readonly resourceSpans: readonly {
    readonly schemaUrl: string;
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string; readonly version: string };
      readonly spans: readonly DecodedSpan[];
    }[];
  }[];
}

/** A span as a collector reads it. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly id: string;
  /** "" for the first span of a trace. */
  readonly parentId: string;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  readonly kind: string;
  /** Unix time in nanoseconds. */
  readonly start: bigint;
  readonly end: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly { readonly name: string; readonly at: bigint }[];
  readonly error: string | undefined;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly scope: { readonly name: string; readonly version: string };
}

const exportMethod = (() => {
  const service = definition["opentelemetry.proto.collector.trace.v1.TraceService"] as
    | ServiceDefinition
    | undefined;
  const method = service?.["Export"];
  if (service === undefined || method === undefined) throw new Error("no TraceService");
  return { service, method };
})();

/** Decodes a batch by the protocol's definition. */
export function spansIn(batch: Buffer): readonly ReceivedSpan[] {
  return spansOf(exportMethod.method.requestDeserialize(batch));
}

function spansOf({ resourceSpans }: DecodedRequest): readonly ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ scope, spans }) =>
      spans.map((span) => ({
        traceId: span.traceId.toString("hex"),
        id: span.spanId.toString("hex"),
        parentId: span.parentSpanId.toString("hex"),
        traceState: span.traceState,
        flags: span.flags,
        name: span.name,
        kind: span.kind.replace("SPAN_KIND_", "").toLowerCase(),
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: recordOf(span.attributes),
        events: span.events.map(({ name, timeUnixNano }) => ({ name, at: BigInt(timeUnixNano) })),
        error: span.status?.code === "STATUS_CODE_ERROR" ? span.status.message : undefined,
        resource: recordOf(resource.attributes),
        scope: { name: scope.name, version: scope.version },
      })),
    ),
  );
}

function recordOf(pairs: readonly KeyValue[]): Record<string, unknown> {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(any: AnyValue): unknown {
  if (any.value === "intValue") return Number(any.intValue);
  if (any.value === "arrayValue") return any.arrayValue?.values.map(valueOf);
  return any.value === undefined ? undefined : any[any.value];
}

/** The answer of a collector over HTTP; "hang" for none. */
export type HttpAnswer =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: Buffer }
  | "hang"
  | "garbage";

interface HttpBatch {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly spans: readonly ReceivedSpan[];
}

/** A collector of OTLP over HTTP, which answers as a test wants it to. */
export class HttpCollector {
  /** Every batch that came, also those that it did not take. */
  readonly batches: HttpBatch[] = [];
  /** The next answers; then it takes every batch. */
  readonly answers: HttpAnswer[] = [];
  /** Spans that it has taken. */
  readonly spans: ReceivedSpan[] = [];
  readonly #server = createServer((request, response) => void this.#take(request, response));

  /** The address for `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  url = "";

  static async start(port = 0): Promise<HttpCollector> {
    const collector = new HttpCollector();
    await new Promise<void>((resolve) =>
      collector.#server.listen(port, "127.0.0.1", () => resolve()),
    );
    const address = collector.#server.address();
    const bound = typeof address === "object" && address !== null ? address.port : 0;
    collector.url = `http://127.0.0.1:${bound}`;
    return collector;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    // A stream of bytes without an encoding has buffers.
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const whole = Buffer.concat(chunks);
    const isPacked = request.headers["content-encoding"] === "gzip";
    const spans = spansIn(isPacked ? gunzipSync(whole) : whole);
    this.batches.push({ path: request.url ?? "", headers: request.headers, spans });
    const answer = this.answers.shift() ?? { status: 200 };
    if (answer === "garbage") request.socket.end("\u0000\u0001 no HTTP at all\r\n\r\n");
    else if (answer !== "hang") {
      if (answer.status === 200) this.spans.push(...spans);
      response.writeHead(answer.status, answer.headers);
      response.end(answer.body);
    }
  }
}

/** The answer of a collector over gRPC: a status and its details, or none. */
export interface GrpcAnswer {
  readonly code: number;
  readonly details?: Buffer;
}

/** A collector of OTLP over gRPC, by gRPC's own server. */
export class GrpcCollector {
  readonly answers: GrpcAnswer[] = [];
  readonly spans: ReceivedSpan[] = [];
  calls = 0;
  url = "";
  readonly #server = new Server();

  static async start(): Promise<GrpcCollector> {
    const collector = new GrpcCollector();
    collector.#server.addService(exportMethod.service, {
      Export: (
        call: { readonly request: DecodedRequest },
        answer: (error: object | null, value?: object) => void,
      ) => {
        collector.calls += 1;
        const next = collector.answers.shift();
        if (next === undefined) {
          collector.spans.push(...spansOf(call.request));
          answer(null, {});
        } else {
          const metadata = new Metadata();
          if (next.details !== undefined) {
            metadata.set("grpc-status-details-bin", next.details);
          }
          answer({ code: next.code, details: "as the test wants it", metadata });
        }
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      collector.#server.bindAsync(
        "127.0.0.1:0",
        ServerCredentials.createInsecure(),
        (error, bound) => (error === null ? resolve(bound) : reject(error)),
      ),
    );
    collector.url = `http://127.0.0.1:${port}`;
    return collector;
  }

  close(): void {
    this.#server.forceShutdown();
  }
}
