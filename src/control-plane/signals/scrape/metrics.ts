import { Counter, Histogram, type Registry } from "prom-client";
import type { ScrapesDone } from "./thread-messages.ts";

/** Upper bounds in seconds, up to the time limit of a scrape. */
const durationBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];

/** The labels of the same counters in llm-d-router. */
const pollLabels = { source_type: "metrics-data-source" } as const;
const extractLabels = { ...pollLabels, extractor_type: "core-metrics-extractor" } as const;

/** Metrics of the scrapes of engines. */
export class ScrapeMetrics {
  readonly #scrapes: Counter<"outcome">;
  readonly #durations: Histogram;
  readonly #malformedLines: Counter;
  readonly #crowdedFamilies: Counter;
  readonly #cpuSeconds: Counter;
  readonly #pollErrors: Counter<keyof typeof pollLabels>;
  readonly #extractErrors: Counter<keyof typeof extractLabels>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#scrapes = new Counter({
      name: "pointsman_scrapes_total",
      help: "Scrapes of engine metrics, by outcome: ok, or the kind of failure.",
      labelNames: ["outcome"],
      registers,
    });
    this.#durations = new Histogram({
      name: "pointsman_scrape_duration_seconds",
      help: "Duration of successful scrapes.",
      buckets: durationBuckets,
      registers,
    });
    this.#malformedLines = new Counter({
      name: "pointsman_scrape_malformed_lines_total",
      help: "Lines of wanted metric families that could not be read.",
      registers,
    });
    this.#crowdedFamilies = new Counter({
      name: "pointsman_scrape_crowded_families_total",
      help: "Wanted metric families left out of a scrape because they had more than 4,096 series.",
      registers,
    });
    this.#cpuSeconds = new Counter({
      name: "pointsman_scrape_cpu_seconds_total",
      help: "CPU time of the thread that scrapes.",
      registers,
    });
    this.#pollErrors = new Counter({
      name: "llm_d_epp_datalayer_poll_errors_total",
      help: "Scrapes that failed.",
      labelNames: ["source_type"],
      registers,
    });
    this.#extractErrors = new Counter({
      name: "llm_d_epp_datalayer_extract_errors_total",
      help: "Scrapes in which no signal was found.",
      labelNames: ["source_type", "extractor_type"],
      registers,
    });
  }

  scraped({ outcomes, okSeconds, malformedLines, crowdedFamilies, cpuSeconds }: ScrapesDone): void {
    for (const [outcome, count] of outcomes) {
      this.#scrapes.inc({ outcome }, count);
      if (outcome === "parse") this.#extractErrors.inc(extractLabels, count);
      else if (outcome !== "ok") this.#pollErrors.inc(pollLabels, count);
    }
    for (const seconds of okSeconds) this.#durations.observe(seconds);
    this.#malformedLines.inc(malformedLines);
    this.#crowdedFamilies.inc(crowdedFamilies);
    this.#cpuSeconds.inc(cpuSeconds);
  }
}
