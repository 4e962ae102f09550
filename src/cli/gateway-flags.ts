import { engineTlsFlags } from "./engine-tls-flags.ts";
import { entryFlags } from "./entry-flags.ts";
import type { FlagTable } from "./flags.ts";
import { recordingFlags } from "./recording-flags.ts";
import { scrapeFlags } from "./scrape-flags.ts";
import { sharedFlags } from "./shared-flags.ts";

/** Everything `gateway` takes. */
export const gatewayFlags = {
  endpoints: {
    kind: "list",
    initial: [],
    help: "Engines: http://HOST:PORT or https://HOST:PORT each, or srv://NAME (https+srv://NAME) for SRV records. Names are resolved again every --resolve-interval.",
  },
  listen: {
    kind: "string",
    initial: "127.0.0.1:8080",
    help: "Address and port for clients. :8080 listens on all addresses.",
  },
  "metrics-port": {
    kind: "int",
    initial: 9090,
    min: 0,
    max: 65_535,
    help: "Port of /metrics, /healthz, /readyz, /ui and /debug, on the same address.",
  },
  "config-file": sharedFlags["config-file"],
  "config-text": {
    kind: "string",
    initial: "",
    help: "EndpointPickerConfig as text. Cannot be combined with --config-file.",
  },
  "shadow-config-file": sharedFlags["shadow-config-file"],
  "resolve-interval": {
    kind: "duration",
    initial: 5_000,
    help: "Interval between two looks at the names of --endpoints.",
  },
  "drain-timeout": {
    kind: "duration",
    initial: 30_000,
    help: "Maximum time to finish open requests after SIGTERM.",
  },
  "request-body-limit": sharedFlags["request-body-limit"],
  ...recordingFlags,
  "retries-max": {
    kind: "int",
    initial: 2,
    min: 0,
    max: 10,
    help: "Retries of a request at other endpoints, before its answer begins.",
  },
  "retry-budget": {
    kind: "number",
    initial: 0.2,
    min: 0,
    max: 1,
    help: "Maximum retries of all requests, as a share of the requests of the last 10s; 10 are always allowed.",
  },
  "hedge-after": {
    kind: "string",
    initial: "",
    help: "Send a streamed request to a second endpoint if the first one has not begun its answer by then: a time such as 2s, or p95 for the time that 95 of 100 requests need.",
  },
  "connect-timeout": {
    kind: "duration",
    initial: 2_000,
    help: "Maximum time to connect to an endpoint.",
  },
  "try-timeout": {
    kind: "duration",
    initial: 600_000,
    help: "Maximum time until an endpoint begins its answer, for each try; 0 for no limit.",
  },
  "silence-timeout": {
    kind: "duration",
    initial: 3_000,
    help: "Send a streamed request to another endpoint if its own has sent no byte of any answer for this time, and for ten times the predicted time to the first token; 0 to wait until health ejects it.",
  },
  "idle-timeout": {
    kind: "duration",
    initial: 600_000,
    help: "Maximum time between two pieces of an answer; 0 for no limit.",
  },
  "total-timeout": {
    kind: "duration",
    initial: 3_600_000,
    help: "Maximum time for a request and its answer, with all tries; 0 for no limit.",
  },
  "trust-forwarded-headers": {
    kind: "boolean",
    initial: false,
    help: "Keep the X-Forwarded headers of clients, because a proxy in front sets them.",
  },
  ...engineTlsFlags,
  ...entryFlags,
  tracing: sharedFlags.tracing,
  v: sharedFlags.v,
  ...scrapeFlags,
} as const satisfies FlagTable;
