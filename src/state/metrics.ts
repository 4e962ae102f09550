import { Gauge, type Registry } from "prom-client";

/** Every reason, so that each has a series from the start. */
const reasons = ["capacity", "duplicate-id", "duplicate-address"] as const;

type Refused = () => readonly { readonly reason: (typeof reasons)[number] }[];

/** Registers the count of endpoints that the pool leaves out, taken at each scrape. */
export function registerRefusedMetrics(registry: Registry, refused: Refused): void {
  registry.registerMetric(
    new Gauge({
      name: "pointsman_left_out_endpoints",
      help: "Endpoints that the pool's source lists and the pool leaves out, by reason.",
      labelNames: ["reason"],
      registers: [],
      collect() {
        for (const reason of reasons) this.set({ reason }, 0);
        for (const { reason } of refused()) this.inc({ reason });
      },
    }),
  );
}
