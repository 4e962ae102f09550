import type { Endpoint } from "../../../core/endpoint.ts";
import type { PoolSnapshot } from "../../../core/pool-snapshot.ts";

/**
 * The endpoints that list `model` or list no models, in their order: those without a list may serve it. All endpoints
 * if none has a list or the request names no model.
 *
 * @param models lists of models by slot; undefined if no endpoint has one
 */
export function servingModel(
  endpoints: readonly Endpoint[],
  model: string,
  models: ReadonlyMap<number, ReadonlySet<string>> | undefined,
): readonly Endpoint[] {
  if (models === undefined || model === "") return endpoints;
  const serving = endpoints.filter(({ slot }) => models.get(slot)?.has(model) ?? true);
  return serving.length === endpoints.length ? endpoints : serving;
}

/** True if an endpoint lists the model, or did so before. */
export function wasServed({ models, pastModels }: PoolSnapshot, model: string): boolean {
  if (pastModels?.has(model) === true) return true;
  for (const names of models?.values() ?? []) {
    if (names.has(model)) return true;
  }
  return false;
}
