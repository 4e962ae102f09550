import type { Pod } from "./pod.ts";

/** Labels of LeaderWorkerSet: a group runs one engine, and its leader serves it. */
export const workerSetLabel = "leaderworkerset.sigs.k8s.io/name";
const groupIndexLabel = "leaderworkerset.sigs.k8s.io/group-index";

/** The group of pods that start and end together; undefined for a pod on its own. */
export function groupOf({ namespace, labels }: Pod): string | undefined {
  const name = labels[workerSetLabel];
  const index = labels[groupIndexLabel];
  return name === undefined || index === undefined ? undefined : `${namespace}/${name}/${index}`;
}

/**
 * Groups with a member that is about to end: the whole group is re-created when one member
 * restarts.
 */
export function doomedGroupsOf(members: Iterable<Pod>): Map<string, NonNullable<Pod["doom"]>> {
  const doomed = new Map<string, NonNullable<Pod["doom"]>>();
  for (const pod of members) {
    const group = groupOf(pod);
    const doom = pod.doom ?? (pod.isDeleted ? "disrupted" : undefined);
    if (group !== undefined && doom !== undefined) doomed.set(group, doom);
  }
  return doomed;
}
