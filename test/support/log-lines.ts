import { createLogger, type Logger, type LogLevel } from "../../src/telemetry/logger.ts";

/** A logger that keeps its lines in memory, and the lines. */
export function gatheredLog(level: LogLevel = "info"): {
  readonly log: Logger;
  /** As they would be written, each with its line end. */
  readonly written: readonly string[];
} {
  const written: string[] = [];
  const { logger } = createLogger(level, { write: (line) => void written.push(line) });
  return { log: logger, written };
}
