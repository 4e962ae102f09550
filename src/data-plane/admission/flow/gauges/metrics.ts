import { Gauge, type Registry } from "prom-client";
import type { FlowControl } from "../flow-control.ts";

interface GaugeDeps {
  readonly registry: Registry;
  /** The pool's name in metrics. */
  readonly poolName: string;
  /** The queue in force; undefined while flow control is off. */
  readonly flow: () => FlowControl | undefined;
}

/** One sample: values of labels besides the pool, and a number; NaN for none. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Family {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (flow: FlowControl) => readonly Sample[];
}

const ofBands = "llm_d_epp_flow_control_capacity_utilization";
const ofAll = "llm_d_epp_flow_control_global_capacity_utilization";

const families: readonly Family[] = [
  {
    name: `${ofBands}_requests`,
    help: "Requests of a priority that wait, as a share of the limit of their band.",
    labels: ["priority"],
    samples: ({ bands }) =>
      bands.map(({ priority, size, plan }) => [ofBand(priority), size / plan.requestsMax]),
  },
  {
    name: `${ofBands}_bytes`,
    help: "Memory of the requests of a priority that wait, as a share of the limit of their band.",
    labels: ["priority"],
    samples: ({ bands }) =>
      bands.map(({ priority, heldBytes, plan }) => [ofBand(priority), heldBytes / plan.bytesMax]),
  },
  {
    name: `${ofAll}_requests`,
    help: "Requests that wait, as a share of the limit over all bands, if there is one.",
    labels: [],
    samples: ({ size, plan }) => [[{}, shareOf(size, plan.requestsMax)]],
  },
  {
    name: `${ofAll}_bytes`,
    help: "Memory of requests that wait, as a share of the limit over all bands, if there is one.",
    labels: [],
    samples: ({ heldBytes, plan }) => [[{}, shareOf(heldBytes, plan.bytesMax)]],
  },
  {
    name: "llm_d_epp_flow_control_pool_saturation",
    help: "Saturation of the pool and of its stages, as the gate read it last.",
    labels: ["stage"],
    samples: ({ saturation }) =>
      (["prefill", "decode", "effective"] as const).map((stage) => [{ stage }, saturation[stage]]),
  },
  {
    name: "llm_d_epp_flow_control_stale_endpoints",
    help: "Endpoints whose signals the saturation detector cannot use, because they are overdue or missing.",
    labels: ["detector"],
    samples: ({ stale }) =>
      stale === undefined ? [] : [[{ detector: stale.detector }, stale.endpoints]],
  },
  {
    name: "llm_d_epp_flow_control_reclaim_target",
    help: "Saturation to be reclaimed by evictions, as it was computed last.",
    labels: [],
    samples: ({ evictions }) => [[{}, evictions.target]],
  },
  {
    name: "llm_d_epp_flow_control_pending_reclaim",
    help: "Saturation of evicted requests that have not ended.",
    labels: [],
    samples: ({ evictions }) => [[{}, evictions.pending]],
  },
];

/** Gauges of the queue that are computed when they are scraped; without flow control they have no series. */
export function registerQueueGauges({ registry, poolName, flow }: GaugeDeps): void {
  for (const { name, help, labels, samples } of families) {
    registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames: [...labels, "inference_pool"],
        registers: [],
        collect() {
          this.reset();
          const inForce = flow();
          for (const [own, value] of inForce === undefined ? [] : samples(inForce)) {
            if (!Number.isNaN(value)) this.set({ ...own, inference_pool: poolName }, value);
          }
        },
      }),
    );
  }
}

function ofBand(priority: number) {
  return { priority: String(priority) };
}

function shareOf(value: number, limit: number): number {
  return Number.isFinite(limit) ? value / limit : Number.NaN;
}
