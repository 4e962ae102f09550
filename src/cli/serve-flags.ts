import { clusterFlags } from "./cluster-flags.ts";
import type { FlagTable } from "./flags.ts";
import { metricFlags } from "./metric-flags.ts";
import { tlsFlags } from "./tls-flags.ts";

const notBuilt = "not built yet";
const noMeaning = "accepted for the peer's manifests; has no meaning here";

/** Everything `serve` takes: the peer's flags with the peer's meanings and defaults, and ours. */
export const serveFlags = {
  "bind-address": {
    kind: "string",
    initial: "",
    shownDefault: "all addresses",
    help: "IP address that every listener binds.",
  },
  "grpc-port": { kind: "int", initial: 9002, min: 0, max: 65_535, help: "ext_proc port." },
  "grpc-health-port": {
    kind: "int",
    initial: 9003,
    min: 0,
    max: 65_535,
    help: "Port of the gRPC health service.",
  },
  "metrics-port": {
    kind: "int",
    initial: 9090,
    min: 0,
    max: 65_535,
    help: "Port of /metrics, /healthz, /readyz and /debug.",
  },
  "config-file": {
    kind: "string",
    initial: "",
    help: "File with an EndpointPickerConfig; its changes apply without a restart.",
  },
  "config-text": {
    kind: "string",
    initial: "",
    help: "An EndpointPickerConfig itself; not together with --config-file.",
  },
  ...clusterFlags,
  "drain-timeout": {
    kind: "duration",
    initial: 30_000,
    help: "Longest time to finish open streams after SIGTERM.",
  },
  "request-body-limit": {
    kind: "bytes",
    initial: 64 * 1024 * 1024,
    help: "Largest request body read for a decision; larger ones get 413 on known APIs, and pass unread on other paths.",
  },
  "grpc-max-recv-msg-size": {
    kind: "bytes",
    initial: undefined,
    shownDefault: "the body limit and 1 MiB",
    help: "Largest gRPC message taken.",
  },
  "grpc-max-send-msg-size": {
    kind: "bytes",
    initial: undefined,
    shownDefault: "no limit",
    help: "Largest gRPC message sent.",
  },
  "disable-endpoint-subset-filter": {
    kind: "boolean",
    initial: false,
    help: "Ignore the gateway's subset hint.",
  },
  ...tlsFlags,
  "health-checking": {
    kind: "boolean",
    initial: false,
    help: "Answer health checks on the ext_proc port too.",
  },
  "refresh-metrics-interval": {
    kind: "duration",
    initial: 50,
    help: "Time between two scrapes of an endpoint, at least 50ms.",
  },
  v: {
    kind: "int",
    initial: 2,
    min: 0,
    aliases: ["verbosity"],
    help: "Verbosity: 1 warnings, 2 a line a request, 4 debug, 5 trace.",
  },
  "zap-encoder": {
    kind: "string",
    initial: "json",
    help: "Log encoding; always json.",
  },
  "zap-log-level": { kind: "string", initial: "", help: "Log level.", warning: "use --v" },
  "zap-devel": {
    kind: "boolean",
    initial: false,
    help: "Development logging.",
    warning: noMeaning,
  },
  "zap-stacktrace-level": {
    kind: "string",
    initial: "",
    help: "Level from which stack traces are logged.",
    warning: noMeaning,
  },
  "zap-time-encoding": {
    kind: "string",
    initial: "",
    help: "Time encoding of logs.",
    warning: noMeaning,
  },
  "allow-experimental-plugins": {
    kind: "boolean",
    initial: false,
    help: "Every plugin here may be used; the switch does nothing.",
  },
  "enable-conformance-plugins": {
    kind: "boolean",
    initial: false,
    help: "Allow the plugins of conformance tests. Insecure: lets clients pick their endpoint.",
  },
  "ha-enable-leader-election": {
    kind: "boolean",
    initial: false,
    help: "One of several replicas is ready: the one that holds the Lease epp-NAMESPACE-POOL.llm-d.ai.",
  },
  "ha-populate-non-leader-datastore": {
    kind: "boolean",
    initial: true,
    help: "Standbys follow the pool as the leader does.",
    warning: "has no effect: standbys always follow the pool",
  },
  "feature-gates": {
    kind: "list",
    initial: [],
    help: "Gates to switch on (NAME) or off (NAME=false); takes precedence over the document's featureGates.",
  },
  "emit-endpoint-scores": {
    kind: "boolean",
    initial: false,
    help: "Scores of all candidates as metadata.",
    warning: notBuilt,
  },
  "refresh-prometheus-metrics-interval": {
    kind: "duration",
    initial: 5_000,
    help: "Pool gauges are computed when scraped.",
    warning: noMeaning,
  },
  "metrics-staleness-threshold": {
    kind: "duration",
    initial: 2_000,
    help: "Age beyond which signals count as stale.",
    warning: "reports lose weight with age; a document's `signals` says how fast",
  },
  "plugin-state-staleness-threshold": {
    kind: "duration",
    initial: 300_000,
    help: "Age at which the peer forgets requests in flight.",
    warning: "has no effect: a request in flight counts for exactly as long as its stream lives",
  },
  "fairness-id-metric-label-limit": {
    kind: "int",
    initial: 1_000,
    min: 0,
    help: "Most distinct fairness ids in metric labels; further ones count as other. 0 counts all as other.",
  },
  "metrics-endpoint-auth": {
    kind: "boolean",
    initial: false,
    shownDefault: "true where the pod's ServiceAccount reaches the cluster that is followed",
    help: "Ask the API server who may read /metrics and /debug.",
  },
  "older-metric-names": {
    kind: "boolean",
    initial: true,
    help: "Show metrics under the names that older pickers gave them too.",
  },
  "enable-pprof": { kind: "boolean", initial: true, help: "Go's profiler.", warning: noMeaning },
  tracing: { kind: "boolean", initial: false, help: "Spans over OTLP.", warning: notBuilt },
  "enable-grpc-stream-metrics": {
    kind: "boolean",
    initial: false,
    help: "Metrics of ext_proc streams.",
    warning: notBuilt,
  },
  "model-server-metrics-scheme": {
    kind: "string",
    initial: "http",
    help: "Scheme of scrapes: http or https.",
  },
  "model-server-metrics-path": { kind: "string", initial: "/metrics", help: "Path of scrapes." },
  "model-server-metrics-port": {
    kind: "int",
    initial: 0,
    min: 0,
    max: 65_535,
    shownDefault: "the endpoint's own",
    help: "Port of scrapes.",
  },
  "model-server-metrics-https-insecure-skip-verify": {
    kind: "boolean",
    initial: true,
    help: "Scrape https without verifying the certificate.",
  },
  ...metricFlags,
  "destination-endpoint-hint-key": {
    kind: "string",
    initial: "",
    help: "Name of the destination header.",
    warning: noMeaning,
  },
  "destination-endpoint-hint-metadata-namespace": {
    kind: "string",
    initial: "",
    help: "Namespace of the destination metadata.",
    warning: noMeaning,
  },
} as const satisfies FlagTable;
