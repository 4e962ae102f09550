import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import type { Tracer } from "../../core/request-trace.ts";
import type { Clock } from "../../std/clock.ts";
import { RandomHex } from "../../std/random-hex.ts";
import { systemRandom } from "../../std/random.ts";
import { ownVersion } from "../../std/own-version.ts";
import { reasonOf } from "../../std/reason-of.ts";
import type { Logger } from "../logger.ts";
import type { MetricsRegistry } from "../metrics-registry.ts";
import { consoleSink } from "./console-sink.ts";
import { TraceMetrics } from "./metrics.ts";
import type { CollectorOptions, CollectorSettings, TracingSettings } from "./otel-environment.ts";
import { type BatchSource, OtlpEncoder } from "./otlp-encoding.ts";
import type { SpanSink } from "./span.ts";
import { SpanBatches } from "./span-batches.ts";
import type { SpanSender } from "./span-sender.ts";
import { SpanTracer } from "./tracer.ts";

const scopeName = "pointsman";

interface TracingDeps {
  readonly clock: Clock;
  readonly registry: MetricsRegistry;
  readonly log: Logger;
}

/** Traces of requests, and the way to their collector. */
export interface Tracing {
  readonly tracer: Tracer;
  /** Sends what is left, within a limit. */
  close(): Promise<void>;
}

/** Starts to trace requests. The connection to the collector is made when the first spans are sent. */
export async function startTracing(settings: TracingSettings, deps: TracingDeps): Promise<Tracing> {
  const { clock, registry } = deps;
  const metrics = new TraceMetrics(registry);
  const sink =
    settings.exporter === "console"
      ? consoleSink(deps.log)
      : await collectorSink(settings, { ...deps, metrics });
  const tracer = new SpanTracer({
    clock,
    sink,
    random: new RandomHex(),
    chance: systemRandom,
    sampler: settings.sampler,
    onLeftOut: (spans) => metrics.dropped("request-full", spans),
  });
  return { tracer, close: () => sink.close() };
}

async function collectorSink(
  { collector, batch, resource }: TracingSettings,
  { clock, log, metrics }: TracingDeps & { readonly metrics: TraceMetrics },
): Promise<SpanSink> {
  const encoder = new OtlpEncoder(sourceOf(resource));
  const { protocol } = collector;
  const endpoint = `${collector.url.origin}${protocol === "grpc" ? "" : collector.url.pathname}`;
  log.info({ endpoint, protocol }, "tracing enabled");
  let failing: string | undefined;
  const batches = new SpanBatches({
    settings: batch,
    sender: await senderOf({ ...collector, tls: await tlsOf(collector, log) }),
    encode: (groups) => encoder.encode(groups),
    clock,
    random: systemRandom,
    onSent: (spans) => metrics.exported(spans),
    onDropped: (reason, spans) => metrics.dropped(reason, spans),
    onState: (reason) => {
      // Each time that it breaks and is restored, not each batch.
      if (reason !== undefined && failing === undefined) {
        log.warn({ endpoint, reason }, "trace export failed");
      } else if (reason === undefined && failing !== undefined) {
        log.info({ endpoint }, "trace export restored");
      }
      failing = reason;
    },
  });
  metrics.watchQueue(() => batches.queuedSpans);
  return batches;
}

/** The process as its spans name it. Variables take precedence. */
function sourceOf(resource: TracingSettings["resource"]): BatchSource {
  const version = ownVersion();
  const known = {
    "service.version": version,
    "service.instance.id": randomUUID(),
    "host.name": hostname(),
    "telemetry.sdk.name": scopeName,
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.version": version,
  };
  return { resource: { ...known, ...resource }, scope: { name: scopeName, version } };
}

/** Loads only the protocol that is used. */
async function senderOf(options: CollectorOptions): Promise<SpanSender> {
  if (options.protocol === "grpc") {
    const { GrpcSender } = await import("./grpc-sender.ts");
    return new GrpcSender(options);
  }
  const { HttpSender } = await import("./http-sender.ts");
  return new HttpSender(options);
}

/** The contents of certificate files; one that cannot be read is left out with a warning. */
async function tlsOf({ files }: CollectorSettings, log: Logger): Promise<CollectorOptions["tls"]> {
  const read = async (file: string | undefined) => {
    if (file === undefined) return undefined;
    try {
      return await readFile(file);
    } catch (cause) {
      log.warn({ file, reason: reasonOf(cause) }, "certificate file ignored");
      return undefined;
    }
  };
  const [ca, cert, key] = await Promise.all([read(files.ca), read(files.cert), read(files.key)]);
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
