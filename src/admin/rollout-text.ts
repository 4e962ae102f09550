import type { AssignedBy, RolloutRecord } from "../core/decision-record.ts";

const assigners: Readonly<Record<AssignedBy, string>> = {
  session: "the session assigns",
  conversation: "the stored conversation assigns",
  opening: "the first messages assign",
  prompt: "the prompt, which has no messages, assigns",
  tenant: "the tenant assigns",
};

/** The document that decided about a request during a rollout, and the reason, in a sentence. */
export function rolloutText(rollout: RolloutRecord): string {
  const { decidedBy, shadowHash, state, shareRatio, assignedBy, hasThrown } = rollout;
  const shadow = `the shadow document ${shadowHash}`;
  const inForce = `decided by the document in force: ${shadow}`;
  if (hasThrown) return `${inForce} threw at this request (log: shadow document failed)`;
  if (state === "promoted") return `decided by ${shadow}, which was promoted`;
  if (state === "rolledBack") return `${inForce} was rolled back; pointsman shadow has the reasons`;
  const share = `${Number((shareRatio * 100).toPrecision(3))} % of the requests`;
  return decidedBy === "shadow"
    ? `decided by ${shadow}, which has ${share}: ${assigners[assignedBy]} this one to it`
    : `${inForce} has ${share}, and ${assigners[assignedBy]} this one to the other`;
}
