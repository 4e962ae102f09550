import type { Endpoint } from "../../../core/endpoint.ts";

/**
 * The endpoints that serve `model`, in their order, and those that did not say what they serve: they may. All of them
 * where nobody said, or where the request names no model.
 */
export function servingModel(
  endpoints: readonly Endpoint[],
  model: string,
  modelsOf: ((endpoint: Endpoint) => ReadonlySet<string> | undefined) | undefined,
): readonly Endpoint[] {
  if (modelsOf === undefined || model === "") return endpoints;
  const serving = endpoints.filter((endpoint) => modelsOf(endpoint)?.has(model) ?? true);
  return serving.length === endpoints.length ? endpoints : serving;
}
