import { tracingIn, type TracingSettings } from "../telemetry/traces/otel-environment.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { CommandContext } from "./command.ts";

interface TracingFlags {
  readonly values: { readonly tracing: boolean };
  readonly isSet: (name: "tracing") => boolean;
}

/** The settings of traces; undefined if requests are not traced. Variables that are invalid are logged and ignored. */
export function tracingOptionOf(
  { values, isSet }: TracingFlags,
  { serviceName, env }: Pick<CommandContext, "env"> & { readonly serviceName: string },
  log: Logger,
): TracingSettings | undefined {
  const flag = isSet("tracing") ? values.tracing : undefined;
  const { settings, warnings } = tracingIn(env, { flag, serviceName });
  for (const warning of warnings) log.warn({ warning }, "tracing variable ignored");
  return settings;
}
