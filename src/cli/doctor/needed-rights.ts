import { leaseNameOf } from "../../control-plane/election/lease-name.ts";
import { reading } from "./lacking-right.ts";

/** A kind of object that the picker needs, or works better with. */
export interface NeededRight {
  /** Undefined for what has no namespace. */
  readonly namespace: string | undefined;
  readonly group: string;
  readonly resource: string;
  /** Undefined for all objects. */
  readonly name?: string | undefined;
  readonly verbs: readonly string[];
  readonly isRequired: boolean;
  /** The consequence if it is missing. */
  readonly loss: string;
}

interface PickerOfPool {
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
  /** The flags of the picker; empty if its pod is not known. */
  readonly flags: ReadonlyMap<string, string>;
}

const noPriorities = "the picker works without it, and does not see priorities or renamed models.";

/** The rights that a picker of a pool needs, by its flags. Secrets that its document names are not among them. */
export function neededRights(picker: PickerOfPool): readonly NeededRight[] {
  const { group, namespace } = picker;
  const loss = "the picker stays without endpoints.";
  const own = { namespace, verbs: reading };
  const optional = { ...own, group: "llm-d.ai", isRequired: false, loss: noPriorities };
  return [
    { ...own, group: "", resource: "pods", isRequired: true, loss },
    { ...own, group, resource: "inferencepools", isRequired: true, loss },
    { ...optional, resource: "inferenceobjectives" },
    { ...optional, resource: "inferencemodelrewrites" },
    ...electionRights(picker),
    ...configMapRights(picker),
    ...authRights(picker),
  ];
}

function electionRights({ namespace, name, flags }: PickerOfPool): readonly NeededRight[] {
  if (!isOn(flags.get("ha-enable-leader-election"))) return [];
  const lease = { namespace, group: "coordination.k8s.io", resource: "leases" };
  const named = { ...lease, name: leaseNameOf(namespace, name) };
  const loss = "no replica becomes the leader, so none is ready.";
  return [
    // A rule for one name cannot allow that it is created.
    { ...lease, verbs: ["create"], isRequired: true, loss },
    { ...named, verbs: ["get", "update"], isRequired: true, loss },
    {
      ...named,
      verbs: ["list", "watch"],
      isRequired: false,
      loss: "a standby sees that the leader has gone after up to 2 s, and not at once.",
    },
  ];
}

function configMapRights({ flags }: PickerOfPool): readonly NeededRight[] {
  const [namespace, name] = flags.get("config-map")?.split("/") ?? [];
  // A variable that is not known stands for an unknown name.
  if (namespace === undefined || name === undefined || /\$\(/u.test(namespace + name)) return [];
  const loss = "the default configuration stands in for the document.";
  const kind = { namespace, group: "", resource: "configmaps", name };
  return [{ ...kind, verbs: reading, isRequired: true, loss }];
}

function authRights({ flags }: PickerOfPool): readonly NeededRight[] {
  // In a pod, the default is on.
  if (flags.size === 0 || flags.get("metrics-endpoint-auth") === "false") return [];
  const created = { namespace: undefined, verbs: ["create"], isRequired: false };
  const loss = "the picker lets in no reader of /metrics and /debug.";
  return [
    { ...created, group: "authentication.k8s.io", resource: "tokenreviews", loss },
    { ...created, group: "authorization.k8s.io", resource: "subjectaccessreviews", loss },
  ];
}

/** A flag without a value is true. */
function isOn(value: string | undefined): boolean {
  return value !== undefined && value !== "false" && value !== "0";
}

/**
 * Flags among the arguments of a container: `--name=value`, `--name value` and `--name`, also with one dash. Of its variables,
 * `NAMESPACE` is known.
 */
export function flagsIn(args: readonly string[], namespace: string): ReadonlyMap<string, string> {
  const flags = new Map<string, string>();
  for (const [index, arg] of args.entries()) {
    const text = arg.replaceAll("$(NAMESPACE)", namespace);
    const [, name, value] = /^--?([a-z][\w-]*)(?:=(.*))?$/su.exec(text) ?? [];
    if (name === undefined) continue;
    const next = args[index + 1] ?? "-";
    flags.set(name, value ?? (next.startsWith("-") ? "true" : next));
  }
  return flags;
}
