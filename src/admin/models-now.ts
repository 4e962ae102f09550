import { closestTo } from "../std/spelling.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";

/** Models that are shown, those of most endpoints first. */
const shownMax = 10;
/** Names that a wanted one is compared with: each comparison takes microseconds of the thread that decides. */
const comparedMax = 500;
/** Endpoints of a kind that are named. */
const namedMax = 5;

/** The models of the pool as far as they matter to a request for one that no endpoint lists. */
export interface ModelsNow {
  readonly model: string;
  /** Endpoints that take requests. */
  readonly endpoints: number;
  /** Endpoints whose models are not known, some of them by name. */
  readonly unknownCount: number;
  readonly unknown: readonly string[];
  /** Models that endpoints list, adapters included, those of most endpoints first. */
  readonly servedCount: number;
  readonly served: readonly { readonly model: string; readonly endpoints: number }[];
  /** Models with a name like the wanted one. */
  readonly near: readonly string[];
  /** True if an endpoint listed it before. */
  readonly wasServed: boolean;
  /** Endpoints that report adapters, so that it may be one that is loaded nowhere. */
  readonly adapterEndpoints: number;
}

/** Undefined if an endpoint lists the model, or none lists any, so that it is not known to be missing. */
export function missingModelIn(snapshot: PoolSnapshot, model: string): ModelsNow | undefined {
  const { endpoints, models, pastModels, load } = snapshot;
  if (models === undefined || model === "") return undefined;
  const counts = new Map<string, number>();
  const unknown: string[] = [];
  for (const { slot, id } of endpoints) {
    const names = models.get(slot);
    if (names === undefined) unknown.push(id);
    for (const name of names ?? []) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  if (counts.has(model) || counts.size === 0) return undefined;
  const served = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return {
    model,
    endpoints: endpoints.length,
    unknownCount: unknown.length,
    unknown: unknown.slice(0, namedMax),
    servedCount: counts.size,
    served: served.slice(0, shownMax).map(([name, count]) => ({ model: name, endpoints: count })),
    near: nearTo(
      model,
      served.slice(0, comparedMax).map(([name]) => name),
    ),
    wasServed: pastModels?.has(model) === true,
    adapterEndpoints: endpoints.filter(({ slot }) => load.adapters[slot] !== undefined).length,
  };
}

/** The same name in other letters or of another owner, and the one with the fewest wrong letters. */
function nearTo(model: string, names: readonly string[]): readonly string[] {
  const bare = bareOf(model);
  const alike = names.filter((name) => bareOf(name) === bare);
  const closest = closestTo(model, names);
  return [...new Set([...alike, ...(closest === undefined ? [] : [closest])])].slice(0, 3);
}

/** Without the owner before the slash. */
function bareOf(model: string): string {
  return model.slice(model.lastIndexOf("/") + 1).toLowerCase();
}

/** For a person: one sentence each. */
export function modelsNowTexts(now: ModelsNow): readonly string[] {
  const { endpoints, served, servedCount, near, wasServed, adapterEndpoints } = now;
  const quoted = near.map((name) => JSON.stringify(name)).join(", ");
  const list = served.map((each) => `${JSON.stringify(each.model)} (${each.endpoints})`).join(", ");
  const more = servedCount > served.length ? `, and ${servedCount - served.length} more` : "";
  const adapter = `load it at an endpoint (vLLM: --lora-modules, or POST /v1/load_lora_adapter)`;
  return [
    `no endpoint lists the model ${JSON.stringify(now.model)} now`,
    ...(near.length === 0 ? [] : [`a similar name is served: ${quoted}`]),
    ...(wasServed ? ["an endpoint listed it before, and none does now"] : []),
    `models of the ${endpoints} endpoints, with the number that list each: ${list}${more}`,
    ...unknownTexts(now),
    ...(adapterEndpoints === 0
      ? []
      : [
          `${adapterEndpoints} of ${endpoints} endpoints take adapters; if it is one, it is loaded nowhere: ${adapter}`,
        ]),
  ];
}

function unknownTexts({ unknownCount, unknown }: ModelsNow): readonly string[] {
  if (unknownCount === 0) return [];
  const more = unknownCount > unknown.length ? ", …" : "";
  const named = `${unknown.join(", ")}${more}`;
  return [
    `${unknownCount} ${unknownCount === 1 ? "endpoint has" : "endpoints have"} not told their models, and may serve it: ${named}`,
  ];
}
