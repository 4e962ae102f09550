import { entryFlags } from "./entry-flags.ts";
import type { FlagTable } from "./flags.ts";
import { scrapeFlags } from "./scrape-flags.ts";

/** Everything `gateway` takes. */
export const gatewayFlags = {
  endpoints: {
    kind: "list",
    initial: [],
    help: "Engines: http://HOST:PORT each, or srv://NAME for SRV records. Names are resolved again every --resolve-interval.",
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
    help: "Port of /metrics, /healthz, /readyz and /debug, on the same address.",
  },
  "config-file": {
    kind: "string",
    initial: "",
    help: "File with an EndpointPickerConfig. Changes apply without a restart.",
  },
  "config-text": {
    kind: "string",
    initial: "",
    help: "EndpointPickerConfig as text. Cannot be combined with --config-file.",
  },
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
  "request-body-limit": {
    kind: "bytes",
    initial: 64 * 1024 * 1024,
    help: "Maximum size of a request body that is read. Larger bodies get 413 on known APIs and pass unread on other paths.",
  },
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
  ...entryFlags,
  v: {
    kind: "int",
    initial: 2,
    min: 0,
    aliases: ["verbosity"],
    help: "Log verbosity: 1 warnings, 2 one line per request, 4 debug, 5 trace.",
  },
  ...scrapeFlags,
} as const satisfies FlagTable;
