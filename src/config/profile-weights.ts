import { isMap, isSeq, parseDocument } from "yaml";

/** The weight of a plugin in a profile of a document. */
export interface ProfileWeight {
  readonly profile: string;
  readonly plugin: string;
  readonly weight: number;
  /** Place of the entry in the document. */
  readonly path: readonly (string | number)[];
}

/** The plugins of all profiles of a document that has no mistakes, with their weights. */
export function weightsIn(text: string): readonly ProfileWeight[] {
  const profiles = parseDocument(text).get("schedulingProfiles");
  if (!isSeq(profiles)) return [];
  return profiles.items.flatMap((profile, index) => {
    const plugins = isMap(profile) ? profile.get("plugins") : undefined;
    if (!isMap(profile) || !isSeq(plugins)) return [];
    return plugins.items.flatMap((entry, place) => {
      if (!isMap(entry)) return [];
      return {
        profile: String(profile.get("name")),
        plugin: String(entry.get("pluginRef")),
        weight: Number(entry.get("weight") ?? 1),
        path: ["schedulingProfiles", index, "plugins", place],
      };
    });
  });
}

/** The document with these weights; the rest of its text stays, comments too. */
export function withWeights(text: string, weights: readonly ProfileWeight[]): string {
  const document = parseDocument(text);
  for (const { path, weight } of weights) document.setIn([...path, "weight"], weight);
  return document.toString();
}
