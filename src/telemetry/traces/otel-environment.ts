import { OtelValues } from "./otel-values.ts";
import type { SamplerSettings } from "./tracer.ts";

/** The wire protocol to a collector. */
type OtlpProtocol = "grpc" | "http/protobuf";

/** Files of the connection to a collector; undefined for the defaults of Node.js. */
interface CollectorFiles {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface CollectorSettings {
  readonly protocol: OtlpProtocol;
  /** For gRPC, only its origin counts. */
  readonly url: URL;
  /** By name in lower case; they may hold credentials. */
  readonly headers: Readonly<Record<string, string>>;
  readonly compresses: boolean;
  /** Limit for one try. */
  readonly timeoutMs: number;
  readonly files: CollectorFiles;
}

/** Contents of the files, by the names that Node.js has for them. */
export interface CollectorOptions extends Omit<CollectorSettings, "files"> {
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
}

export interface BatchSettings {
  /** Spans that wait to be sent; further ones are dropped. */
  readonly queuedSpansMax: number;
  readonly batchSpansMax: number;
  /** Longest time until a span is sent. */
  readonly delayMs: number;
  /** Limit for sending what is left at the end. */
  readonly closeTimeoutMs: number;
}

/** Settings of traces, by the variables of OpenTelemetry. */
export interface TracingSettings {
  readonly exporter: "otlp" | "console";
  readonly sampler: SamplerSettings;
  /** Attributes of this process. */
  readonly resource: Readonly<Record<string, string>>;
  readonly collector: CollectorSettings;
  readonly batch: BatchSettings;
}

export interface TracingAsked {
  /** The flag `--tracing`; undefined if it is not given. */
  readonly flag: boolean | undefined;
  /** The name of this service unless a variable gives one. */
  readonly serviceName: string;
}

export interface TracingFound {
  /** Undefined if requests are not traced. */
  readonly settings: TracingSettings | undefined;
  readonly warnings: readonly string[];
}

/** llm-d-router's share of sampled traces. */
const defaultRatio = 0.1;

const samplers = {
  parentbased_traceidratio: { followsParent: true, ratio: undefined },
  traceidratio: { followsParent: false, ratio: undefined },
  parentbased_always_on: { followsParent: true, ratio: 1 },
  parentbased_always_off: { followsParent: true, ratio: 0 },
  always_on: { followsParent: false, ratio: 1 },
  always_off: { followsParent: false, ratio: 0 },
} as const;

const tracesPath = "v1/traces";
const grpcPort = 4317;
const httpPort = 4318;

/**
 * Reads the settings of traces. Requests are traced if `--tracing` asks for it, or a variable names an exporter or a
 * collector; without any of them, and with `--tracing=false`, they are not.
 */
export function tracingIn(
  env: Readonly<Record<string, string | undefined>>,
  asked: TracingAsked,
): TracingFound {
  const values = new OtelValues(env);
  const exporter = exporterIn(values, asked.flag === true);
  const isOn = asked.flag !== false && !values.flag("OTEL_SDK_DISABLED") && exporter !== "none";
  if (!isOn) return { settings: undefined, warnings: asked.flag === false ? [] : values.warnings };
  const propagators = values.text("OTEL_PROPAGATORS")?.split(",") ?? [];
  if (propagators.length > 0 && !propagators.some((name) => name.trim() === "tracecontext")) {
    values.ignore("OTEL_PROPAGATORS", "only tracecontext is supported");
  }
  const settings: TracingSettings = {
    exporter,
    sampler: samplerIn(values),
    resource: resourceIn(values, asked.serviceName),
    collector: collectorIn(values),
    batch: batchIn(values),
  };
  return { settings, warnings: values.warnings };
}

function exporterIn(values: OtelValues, isAsked: boolean): "otlp" | "console" | "none" {
  const hasCollector = values.text(...otlp("ENDPOINT")) !== undefined;
  const initial = isAsked || hasCollector ? "otlp" : "none";
  return values.choice(["otlp", "console", "none"], initial, "OTEL_TRACES_EXPORTER");
}

function samplerIn(values: OtelValues): SamplerSettings {
  const names = Object.keys(samplers) as (keyof typeof samplers)[];
  const name = values.choice(names, "parentbased_traceidratio", "OTEL_TRACES_SAMPLER");
  const { followsParent, ratio } = samplers[name];
  const argument = () => values.share(defaultRatio, "OTEL_TRACES_SAMPLER_ARG");
  return { followsParent, ratio: ratio ?? argument() };
}

function resourceIn(values: OtelValues, serviceName: string): TracingSettings["resource"] {
  const attributes = values.pairs("OTEL_RESOURCE_ATTRIBUTES");
  const name = values.text("OTEL_SERVICE_NAME") ?? attributes["service.name"] ?? serviceName;
  return { ...attributes, "service.name": name };
}

function batchIn(values: OtelValues): BatchSettings {
  const queuedSpansMax = values.count(2_048, "OTEL_BSP_MAX_QUEUE_SIZE");
  const batchSpansMax = values.count(512, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE");
  return {
    queuedSpansMax,
    batchSpansMax: Math.min(batchSpansMax, queuedSpansMax),
    delayMs: values.count(5_000, "OTEL_BSP_SCHEDULE_DELAY"),
    closeTimeoutMs: Math.min(values.count(30_000, "OTEL_BSP_EXPORT_TIMEOUT"), 5_000),
  };
}

function collectorIn(values: OtelValues): CollectorSettings {
  const address = addressIn(values);
  const protocol = protocolIn(values, address.url);
  const headers = Object.entries(values.pairs(...otlp("HEADERS")));
  return {
    protocol,
    url: urlFor(protocol, address),
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    compresses: values.choice(["none", "gzip"], "none", ...otlp("COMPRESSION")) === "gzip",
    timeoutMs: values.count(10_000, ...otlp("TIMEOUT")),
    files: {
      ca: values.text(...otlp("CERTIFICATE")),
      cert: values.text(...otlp("CLIENT_CERTIFICATE")),
      key: values.text(...otlp("CLIENT_KEY")),
    },
  };
}

interface Address {
  /** Undefined if no variable gives a usable one. */
  readonly url: URL | undefined;
  /** True if it is that of traces, and not the base of several signals. */
  readonly isWhole: boolean;
}

function addressIn(values: OtelValues): Address {
  const [own, base] = otlp("ENDPOINT");
  const ofTraces = values.text(own);
  const text = ofTraces ?? values.text(base);
  const isWhole = ofTraces !== undefined;
  if (text === undefined) return { url: undefined, isWhole };
  const scheme = values.flag(...otlp("INSECURE")) ? "http" : "https";
  const url = URL.parse(/^[a-z]+:\/\//u.test(text) ? text : `${scheme}://${text}`);
  const isUsable = url !== null && /^https?:$/u.test(url.protocol) && url.hostname !== "";
  if (isUsable) return { url, isWhole };
  values.ignore(isWhole ? own : base, "want http://HOST:PORT or https://HOST:PORT");
  return { url: undefined, isWhole };
}

/** gRPC, as llm-d-router has it, unless the address has the port that is usual for HTTP. */
function protocolIn(values: OtelValues, url: URL | undefined): OtlpProtocol {
  const names = otlp("PROTOCOL");
  if (values.text(...names) === "http/json") {
    values.ignore(names[1], "http/json is not supported; http/protobuf is used");
    return "http/protobuf";
  }
  const initial = url?.port === String(httpPort) ? "http/protobuf" : "grpc";
  return values.choice(["grpc", "http/protobuf"], initial, ...names);
}

function urlFor(protocol: OtlpProtocol, { url, isWhole }: Address): URL {
  if (protocol === "grpc") return url ?? new URL(`http://localhost:${grpcPort}`);
  const base = url ?? new URL(`http://localhost:${httpPort}`);
  if (isWhole && url !== undefined) return url;
  const whole = new URL(base);
  whole.pathname = `${base.pathname.replace(/\/$/u, "")}/${tracesPath}`;
  return whole;
}

/** The variable of traces, and that of all signals. */
function otlp(setting: string): readonly [string, string] {
  return [`OTEL_EXPORTER_OTLP_TRACES_${setting}`, `OTEL_EXPORTER_OTLP_${setting}`];
}
