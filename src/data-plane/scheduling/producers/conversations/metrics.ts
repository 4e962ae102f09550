import { Counter, Gauge, type Registry } from "prom-client";

const labelNames = ["plugin_name", "plugin_type"] as const;

interface OwnedSessions {
  /** Type and name of its plugin. */
  readonly type: string;
  readonly name: string;
  readonly memory: {
    readonly size: number;
    /** Entries that were dropped because the table was full. */
    readonly droppedCount: number;
  };
}

/** Sizes of the tables of sessions by the name of their plugin, computed at each scrape. */
export function registerSessionMetrics(
  registry: Registry,
  tables: () => Iterable<OwnedSessions>,
): void {
  const entries = new Gauge({
    name: "pointsman_session_table_entries",
    help: "Sessions, stored responses and places in prompts that a plugin remembers.",
    labelNames,
    registers: [],
    collect() {
      this.reset();
      for (const { type, name, memory } of tables()) {
        this.set({ plugin_name: name, plugin_type: type }, memory.size);
      }
    },
  });
  const dropped = new Counter({
    name: "pointsman_session_table_dropped_total",
    help: "Entries that a plugin dropped because its table was full.",
    labelNames,
    registers: [],
    collect() {
      this.reset();
      for (const { type, name, memory } of tables()) {
        this.inc({ plugin_name: name, plugin_type: type }, memory.droppedCount);
      }
    },
  });
  registry.registerMetric(entries);
  registry.registerMetric(dropped);
}
