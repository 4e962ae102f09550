import type { HeaderChange } from "../../../core/decision.ts";
import { credentialHeaders } from "./entry/api-keys.ts";
import type { EndpointModels, ListedModel, ModelLists } from "./model-lists.ts";
import type { ClientHead } from "./request-head.ts";

/** The list of models, or one of them, whose id may have slashes. */
const modelsPath = /^\/v1\/models(?:\/([^?]+?))?\/?(?:\?.*)?$/u;

/** Lists are asked for whole and uncompressed. */
const plainGet: HeaderChange = {
  set: [],
  removed: ["accept-encoding", "if-modified-since", "if-none-match", "range"],
};

/** Characters of a name that an error shows. */
const shownNameMax = 256;

/** `of-endpoint`: the pool has no list of its own, so that an endpoint answers. */
export type PoolsModels =
  | { readonly kind: "known"; readonly text: string }
  | { readonly kind: "unknown"; readonly message: string }
  | { readonly kind: "of-endpoint" };

/** The model that a request asks about, or all of them; undefined if it asks for something else. */
export function askedModels({
  method,
  path,
}: Pick<ClientHead, "method" | "path">): { readonly id: string | undefined } | undefined {
  const asked = method === "GET" ? modelsPath.exec(path) : null;
  return asked === null ? undefined : { id: asked[1] };
}

interface ModelSource {
  readonly models: Pick<ModelLists, "ask">;
  /** True for a model that the client may see; undefined if it may see all. */
  readonly shows: ((model: string) => boolean) | undefined;
}

/** The models of the whole pool, or the one of this id. A pool of one endpoint leaves the answer to it. */
export async function poolsModels(
  asked: string | undefined,
  head: Pick<ClientHead, "headers" | "sentTo">,
  { models, shows }: ModelSource,
): Promise<PoolsModels> {
  const { headers } = head;
  const credential = credentialHeaders.map((name) => headers.get(name) ?? "").join("\n");
  const lists = await models.ask(head.sentTo(plainGet), credential);
  const merged = shownModels(lists, shows);
  if (merged === undefined) return { kind: "of-endpoint" };
  if (asked === undefined) {
    return { kind: "known", text: JSON.stringify({ object: "list", data: merged }) };
  }
  const name = decodedName(asked);
  const one = merged.find(({ id }) => id === name);
  if (one !== undefined) return { kind: "known", text: JSON.stringify(one) };
  const shown = JSON.stringify(name.slice(0, shownNameMax));
  return { kind: "unknown", message: `no model server serves the model ${shown}` };
}

/** Undefined to let an endpoint answer, which is never asked for a client that may not see all. */
function shownModels(
  lists: readonly EndpointModels[],
  shows: ModelSource["shows"],
): readonly ListedModel[] | undefined {
  if (shows === undefined) return lists.length < 2 ? undefined : mergedModels(lists);
  return (mergedModels(lists) ?? []).filter(({ id }) => shows(id));
}

/** The models of all lists, each id once, in the order of the endpoints; undefined if no endpoint has a list. */
function mergedModels(lists: readonly EndpointModels[]): readonly ListedModel[] | undefined {
  if (lists.every(({ models }) => models === undefined)) return undefined;
  const byId = new Map<string, ListedModel>();
  for (const { models = [] } of lists) {
    for (const model of models) if (!byId.has(model.id)) byId.set(model.id, model);
  }
  return [...byId.values()];
}

function decodedName(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
