import { Gauge, type Registry } from "prom-client";
import { type HitReport, hitRungs } from "../../core/hit-ladder.ts";

/** The numbers of a ladder that metrics show. */
type HitSummary = Pick<HitReport, "total" | "cache" | "sample" | "counted">;

/** Gauges of the hit-rate ladder, computed at each scrape. A number that is not known has no series. */
export function registerHitMetrics(registry: Registry, summary: () => HitSummary): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_hit_ladder_ratio",
      help: "Share of the prompt tokens of the last hour that could be, or was, found in a prefix cache, by rung.",
      labelNames: ["rung"],
      registers: [],
      collect() {
        this.reset();
        const { rungs } = summary().total;
        for (const rung of hitRungs) {
          const ratio = rungs[rung];
          if (ratio !== undefined) this.set({ rung }, ratio);
        }
      },
    }),
  );
  const gaugeOf = (name: string, help: string, valueOf: (of: HitSummary) => number | undefined) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const value = valueOf(summary());
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  gaugeOf(
    "pointsman_hit_ladder_prompt_tokens",
    "Prompt tokens of the last hour that the rungs are shares of.",
    ({ total }) => total.promptTokens,
  );
  gaugeOf(
    "pointsman_hit_ladder_cache_tokens",
    "Tokens that the prefix caches of all endpoints hold together.",
    ({ cache }) => cache.tokens,
  );
  gaugeOf(
    "pointsman_hit_ladder_counted_ratio",
    "Share of the prompt tokens of the last hour that engines count as hits of their prefix caches.",
    ({ counted }) => counted.ratio,
  );
  gaugeOf(
    "pointsman_hit_ladder_sample_ratio",
    "Share of prompt blocks that the rungs are estimated from.",
    ({ sample }) => sample.rate,
  );
}
