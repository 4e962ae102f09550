/** A refusal as API servers word it. */
const refusal =
  /User "(?<user>[^"]+)" cannot (?<verb>\w+) resource "(?<resource>[^"]+)"(?: in API group "(?<group>[^"]*)")?(?: in the namespace "(?<namespace>[^"]+)")?(?<isWide> at the cluster scope)?/u;

const accountPrefix = "system:serviceaccount:";
/** Verbs of a watch: an API server refuses one at a time. */
export const reading: readonly string[] = ["get", "list", "watch"];

interface Rule {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

/** The rule that a Role lacks, by the refusal of an API server; undefined if the text is another failure. */
export function lackingRightIn(failure: string): string | undefined {
  const parts = refusal.exec(failure)?.groups;
  if (parts === undefined) return undefined;
  const { user = "", verb = "", resource = "", group = "", namespace, isWide } = parts;
  const verbs = reading.includes(verb) ? reading : [verb];
  const account = user.startsWith(accountPrefix)
    ? `service account ${user.slice(accountPrefix.length).replace(":", "/")}`
    : `user ${user}`;
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  const role = isWide === undefined ? "Role" : "ClusterRole";
  return `add to a ${role} of ${account}${where}: ${ruleText({ group, resource, verbs })}`;
}

/** A rule of a Role, with the page that lists all of them. */
export function ruleText({ group, resource, verbs }: Rule): string {
  return `{apiGroups: ["${group}"], resources: [${resource}], verbs: [${verbs.join(", ")}]} (docs/install.md, Rights)`;
}
