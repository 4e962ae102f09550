import type { FlagTable } from "./flags.ts";

/** Flags that `serve` and `gateway` have in common. */
export const sharedFlags = {
  "config-file": {
    kind: "string",
    initial: "",
    help: "File with an EndpointPickerConfig. Changes apply without a restart.",
  },
  "shadow-config-file": {
    kind: "string",
    initial: "",
    help: "File with an EndpointPickerConfig whose decisions are compared with those in force. It may be missing, and changes apply without a restart.",
  },
  "request-body-limit": {
    kind: "bytes",
    initial: 64 * 1024 * 1024,
    help: "Maximum size of a request body that is read. Larger bodies get 413 on known APIs and pass unread on other paths.",
  },
  tracing: {
    kind: "boolean",
    initial: true,
    help: "Trace requests with OpenTelemetry if OTEL variables name an exporter or a collector; given by itself, to a collector on this machine.",
  },
  v: {
    kind: "int",
    initial: 2,
    min: 0,
    aliases: ["verbosity"],
    help: "Log verbosity: 1 warnings, 2 one line per request, 4 debug, 5 trace.",
  },
} as const satisfies FlagTable;
