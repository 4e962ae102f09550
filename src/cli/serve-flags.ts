import { clusterFlags } from "./cluster-flags.ts";
import type { FlagTable } from "./flags.ts";
import { metricFlags } from "./metric-flags.ts";
import { recordingFlags } from "./recording-flags.ts";
import { scrapeFlags } from "./scrape-flags.ts";
import { sharedFlags } from "./shared-flags.ts";
import { tlsFlags } from "./tls-flags.ts";

/** Marks a flag of llm-d-router that is accepted and ignored. */
const ignored = { standing: "ignored", warning: "has no effect" } as const;
const notBuilt = { standing: "ignored", warning: "has no effect: not built yet" } as const;

/** Everything `serve` takes: the peer's flags with the peer's meanings and defaults, and ours. */
export const serveFlags = {
  "bind-address": {
    kind: "string",
    initial: "",
    shownDefault: "all addresses",
    help: "IP address that all listeners bind to.",
  },
  "grpc-port": {
    kind: "int",
    initial: 9002,
    min: 0,
    max: 65_535,
    help: "Port of the ext_proc server.",
  },
  transport: {
    kind: "string",
    initial: "http2",
    help: "Implementation of HTTP/2 on the ext_proc port: http2 or grpc-js, the slower one of earlier versions.",
  },
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
    help: "Port of /metrics, /healthz, /readyz, /ui and /debug.",
  },
  "config-file": sharedFlags["config-file"],
  "config-text": {
    kind: "string",
    initial: "",
    help: "EndpointPickerConfig as text. Cannot be combined with --config-file or --config-map.",
  },
  "shadow-config-file": sharedFlags["shadow-config-file"],
  ...clusterFlags,
  workers: {
    kind: "string",
    initial: "1",
    help: "Threads that take ext_proc streams. With 1, the main thread takes them; with more, they share the port, and the main thread decides. auto: one less than the CPUs.",
  },
  ...recordingFlags,
  "drain-timeout": {
    kind: "duration",
    initial: 30_000,
    help: "Maximum time to finish open streams after SIGTERM.",
  },
  "max-message-timeout": {
    kind: "duration",
    initial: 0,
    shownDefault: "none",
    help: "max_message_timeout of Envoy's external processor. A request that waits in the queue asks Envoy for this time in place of its message_timeout.",
  },
  "request-body-limit": sharedFlags["request-body-limit"],
  "grpc-max-recv-msg-size": {
    kind: "bytes",
    initial: undefined,
    shownDefault: "--request-body-limit plus 1MiB",
    help: "Maximum size of a received gRPC message.",
  },
  "grpc-max-send-msg-size": {
    kind: "bytes",
    initial: undefined,
    shownDefault: "no limit",
    help: "Maximum size of a sent gRPC message.",
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
    help: "Also answer gRPC health checks on the ext_proc port.",
  },
  "refresh-metrics-interval": scrapeFlags["refresh-metrics-interval"],
  v: sharedFlags.v,
  "zap-encoder": {
    kind: "string",
    initial: "json",
    help: "Log encoding; always json.",
  },
  "zap-log-level": {
    kind: "string",
    initial: "",
    help: "Log level.",
    standing: "ignored",
    warning: "has no effect: use --v",
  },
  "zap-devel": {
    kind: "boolean",
    initial: false,
    help: "Development logging.",
    ...ignored,
  },
  "zap-stacktrace-level": {
    kind: "string",
    initial: "",
    help: "Minimum level of logged stack traces.",
    ...ignored,
  },
  "zap-time-encoding": {
    kind: "string",
    initial: "",
    help: "Time encoding in logs.",
    ...ignored,
  },
  "allow-experimental-plugins": {
    kind: "boolean",
    initial: false,
    help: "Allow experimental plugins; they are always allowed.",
    standing: "ignored",
  },
  "enable-conformance-plugins": {
    kind: "boolean",
    initial: false,
    help: "Allow conformance test plugins. Insecure: lets clients pick their endpoint.",
  },
  "ha-enable-leader-election": {
    kind: "boolean",
    initial: false,
    help: "Elect a leader among replicas. Only the holder of the Lease epp-NAMESPACE-POOL.llm-d.ai is ready.",
  },
  "ha-populate-non-leader-datastore": {
    kind: "boolean",
    initial: true,
    help: "Let standbys follow the pool.",
    standing: "ignored",
    warning: "has no effect: standbys always follow the pool",
  },
  "feature-gates": {
    kind: "list",
    initial: [],
    help: "Feature gates to enable (NAME) or disable (NAME=false). Takes precedence over featureGates in the configuration.",
  },
  "emit-endpoint-scores": {
    kind: "boolean",
    initial: false,
    help: "Return the scores of all candidates as metadata.",
    ...notBuilt,
  },
  "refresh-prometheus-metrics-interval": {
    kind: "duration",
    initial: 5_000,
    help: "Update interval of pool gauges.",
    ...ignored,
  },
  "metrics-staleness-threshold": {
    kind: "duration",
    initial: 2_000,
    help: "Age at which signals become stale.",
    standing: "ignored",
    warning: "has no effect: `signals` in the configuration sets how fast reports lose weight",
  },
  "plugin-state-staleness-threshold": {
    kind: "duration",
    initial: 300_000,
    help: "Age at which requests in flight are forgotten.",
    standing: "ignored",
    warning: "has no effect: a request counts as in flight until its stream ends",
  },
  "fairness-id-metric-label-limit": {
    kind: "int",
    initial: 1_000,
    min: 0,
    help: "Maximum number of fairness ids in metric labels; the rest count as other. 0 counts all as other.",
  },
  "metrics-endpoint-auth": {
    kind: "boolean",
    initial: false,
    shownDefault: "true in a pod that follows its own cluster",
    help: "Require a Kubernetes bearer token for /metrics and /debug; the API server authorizes it.",
  },
  "older-metric-names": {
    kind: "boolean",
    initial: true,
    help: "Also expose metrics under their older names.",
  },
  "enable-pprof": { kind: "boolean", initial: true, help: "Go profiler.", ...ignored },
  tracing: sharedFlags.tracing,
  "enable-grpc-stream-metrics": {
    kind: "boolean",
    initial: false,
    help: "Metrics for ext_proc streams.",
    ...notBuilt,
  },
  "model-server-metrics-scheme": scrapeFlags["model-server-metrics-scheme"],
  "model-server-metrics-path": scrapeFlags["model-server-metrics-path"],
  "model-server-metrics-port": scrapeFlags["model-server-metrics-port"],
  "model-server-metrics-https-insecure-skip-verify":
    scrapeFlags["model-server-metrics-https-insecure-skip-verify"],
  ...metricFlags,
  "destination-endpoint-hint-key": {
    kind: "string",
    initial: "",
    help: "Name of the destination header.",
    ...ignored,
  },
  "destination-endpoint-hint-metadata-namespace": {
    kind: "string",
    initial: "",
    help: "Namespace of the destination metadata.",
    ...ignored,
  },
} as const satisfies FlagTable;
