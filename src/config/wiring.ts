import type { PluginUse } from "../core/plan.ts";
import type { DataKind, PluginNeed } from "../core/plugin.ts";
import { pathText } from "./mistakes.ts";
import type { PluginTable } from "./plugin-table.ts";

/** Type of the producer that is added if a plugin reads data that no declared plugin produces. */
const defaultProducers: Readonly<Record<DataKind, string>> = {
  "prefix-match": "approx-prefix-cache-producer",
  "in-flight-load": "inflight-load-producer",
  "prompt-tokens": "token-producer",
  "session-id": "session-id-producer",
  "session-home": "session-home-producer",
  "latency-prediction": "predicted-latency-producer",
  topology: "topology-extractor",
};

/** Types of further producers that are added if a need names them and no declared plugin has the name. */
const addedByName: ReadonlySet<string> = new Set(["conversation-producer"]);

/** The name of the producer that a need refers to; an empty name counts as none. */
export function producerNameOf(data: DataKind, named: string | undefined): string {
  return named || defaultProducers[data];
}

/**
 * Checks what plugins need of others and adds missing producers, transitively: an added producer
 * may itself read data that has to be produced.
 */
export function resolveNeeds(table: PluginTable): void {
  const resolved = new Set<string>();
  for (;;) {
    const next = [...table.plugins.values()].find(({ name }) => !resolved.has(name));
    if (next === undefined) break;
    resolved.add(next.name);
    for (const need of next.loaded.needs) resolveNeed(next, need, table);
  }
  warnOfUnread(table);
}

/** Readers must refer to a producer by its name, so one with its own name is easily left unused. */
function warnOfUnread(table: PluginTable): void {
  const uses = [...table.plugins.values()];
  const read = new Set(
    uses.flatMap(({ loaded }) =>
      loaded.needs.map((need) =>
        need.kind === "data" ? producerNameOf(need.data, need.producer) : need.name,
      ),
    ),
  );
  for (const { name, plugin, origin } of uses) {
    const { produces } = plugin;
    if (produces === undefined || origin !== "declared" || read.has(name)) continue;
    const other = producerNameOf(produces, undefined);
    const instead = name === other ? "" : `; if no producer is named, ${other} is read`;
    table.warnings.push(`${table.pathOf(name)}: nothing reads what ${name} produces${instead}`);
  }
}

function resolveNeed({ name, origin }: PluginUse, need: PluginNeed, table: PluginTable): void {
  const path = `${table.pathOf(name)}.parameters${pathText(need.path)}`;
  if (need.kind === "plugin") {
    table.referencedAs(need.as, need.name, path);
    return;
  }
  const producer = producerNameOf(need.data, need.producer);
  if (need.isOptional === true && !table.plugins.has(producer)) return;
  const isAdded = producer === defaultProducers[need.data] || addedByName.has(producer);
  const use = isAdded
    ? table.provided(producer, "auto-created", path)
    : table.referenced(producer, path);
  if (use === undefined || use.plugin.produces === need.data) return;
  // An added plugin has no place in the document; the one that took the name has.
  const where = origin === "declared" ? path : table.pathOf(producer);
  table.mistakes.push(`${where}: ${producer} produces no ${need.data}`);
}

/**
 * The plugins in an order in which each comes after those it needs. A cycle is a mistake; its
 * plugins come in order of declaration.
 */
export function buildOrderOf(table: PluginTable): PluginUse[] {
  const order: PluginUse[] = [];
  const state = new Map<string, "entered" | "done">();
  const enter = (use: PluginUse, trail: readonly string[]): void => {
    if (state.get(use.name) === "done") return;
    if (state.get(use.name) === "entered") {
      const circle = [...trail.slice(trail.indexOf(use.name)), use.name].join(" -> ");
      table.mistakes.push(`plugins: they need each other in a circle: ${circle}`);
      return;
    }
    state.set(use.name, "entered");
    for (const need of use.loaded.needs) {
      const name = need.kind === "plugin" ? need.name : producerNameOf(need.data, need.producer);
      const needed = table.plugins.get(name);
      if (needed !== undefined) enter(needed, [...trail, use.name]);
    }
    state.set(use.name, "done");
    order.push(use);
  };
  for (const use of table.plugins.values()) enter(use, []);
  return order;
}
