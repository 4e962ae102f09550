import type { Tracer } from "../core/request-trace.ts";
import type { TracingSettings } from "../telemetry/traces/otel-environment.ts";
import type { startTracing } from "../telemetry/traces/tracing.ts";

/** Traces of requests, as a gateway uses them. */
export interface Tracing {
  /** Undefined if no request is traced. */
  readonly tracer: Tracer | undefined;
  /** Sends what is left, within a limit. */
  close(): Promise<void>;
}

const untraced: Tracing = { tracer: undefined, close: () => Promise.resolve() };

/** Loads what traces need only if requests are traced. */
export async function tracingOf(
  settings: TracingSettings | undefined,
  deps: Parameters<typeof startTracing>[1],
): Promise<Tracing> {
  if (settings === undefined) return untraced;
  const { startTracing: start } = await import("../telemetry/traces/tracing.ts");
  return start(settings, deps);
}
