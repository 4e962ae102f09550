import { Counter, type Registry } from "prom-client";
import { unreadReasons, type UnreadReason } from "../core/parse-result.ts";
import type { RequestRecord } from "../core/request-record.ts";
import { cut, pathOf } from "../core/client-values.ts";
import type { Logger } from "./logger.ts";

/** Milliseconds between two warnings with the same reason; the metric counts every request. */
const warningIntervalMs = 60_000;

/** Counts requests to which nothing that goes by a model could be applied, and warns of them. */
export class SkippedRules {
  readonly #log: Logger;
  readonly #total: Counter<"reason">;
  readonly #warnedMs = new Map<UnreadReason, number>();

  constructor(registry: Registry, log: Logger) {
    this.#log = log;
    this.#total = new Counter({
      name: "pointsman_model_rules_skipped_total",
      help: "Requests whose model could not be read or changed, so that rewrites, model filters and adapter affinity did not apply.",
      labelNames: ["reason"],
      registers: [registry],
    });
    for (const reason of unreadReasons) this.#total.inc({ reason }, 0);
  }

  ended({ head, unread: reason, endedMs }: RequestRecord): void {
    if (reason === undefined) return;
    this.#total.inc({ reason });
    const warnedMs = this.#warnedMs.get(reason);
    if (warnedMs !== undefined && endedMs - warnedMs < warningIntervalMs) return;
    this.#warnedMs.set(reason, endedMs);
    const request = { requestId: cut(head.id), path: cut(pathOf(head)) };
    this.#log.warn({ reason, ...request }, "model rules skipped");
  }
}
