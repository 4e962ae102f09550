import type { Endpoint } from "../../../core/endpoint.ts";

/**
 * The endpoints that serve `model`, in their order, and those that do not say what they serve: they may. All of them if
 * none says, or if the request names no model.
 *
 * @param models by slot, of the endpoints that say; undefined if none does
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
