import type { PlannedProfile } from "../core/plan.ts";
import type { PluginKind } from "../core/plugin.ts";

/** Pickers that use no scores on purpose. */
export const blindPickers: ReadonlySet<string> = new Set(["random-picker"]);

/**
 * Warnings for a profile that is accepted but may not be intended: nothing in it distinguishes
 * endpoints, or a scorer has a negative weight.
 *
 * @param path of the profile in the document: `schedulingProfiles[0]`
 */
export function profileWarnings({ plugins }: PlannedProfile, path: string): readonly string[] {
  const kindsOf = (kind: PluginKind) =>
    plugins.filter(({ use }) => use.plugin.kinds.includes(kind));
  const scorers = kindsOf("scorer");
  const isBlindByName = kindsOf("picker").some(({ use }) => blindPickers.has(use.plugin.type));
  if (scorers.length === 0) {
    return isBlindByName
      ? []
      : [`${path}: it has no scorer, so endpoints that pass its filters are picked at random`];
  }
  if (isBlindByName) {
    return [`${path}: random-picker ignores its scorers; endpoints are picked at random`];
  }
  if (scorers.every(({ weight }) => weight === 0)) {
    return [`${path}: every scorer has weight 0, so endpoints are picked at random`];
  }
  return scorers
    .filter(({ weight }) => weight < 0)
    .map(
      ({ use, weight }) =>
        `${path}: ${use.name} has weight ${weight}, so the endpoints that it scores worst are preferred`,
    );
}
