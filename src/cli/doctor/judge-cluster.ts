import type {
  ClusterFacts,
  LackingRight,
  PickerService,
  PoolCondition,
} from "./examine-cluster.ts";
import type { Finding, Report, Severity } from "./finding.ts";
import { ruleText } from "./lacking-right.ts";

/** The faults of a pool in a cluster. */
export function judgeCluster(facts: ClusterFacts): Report {
  const { subject } = facts;
  const found = (fault: Omit<Finding, "subject">): Finding => ({ ...fault, subject });
  switch (facts.kind) {
    case "missing":
      return only(
        found({
          severity: "error",
          code: "pool-missing",
          what: "it does not exist, in any version of InferencePool",
          why: "a picker that serves it stays not ready, and a route to it answers 500 or 503.",
          change:
            "apply it, or give --pool-name and --pool-namespace as kubectl get inferencepools -A shows them.",
        }),
      );
    case "unread":
      return { findings: [], notChecked: [`${subject}: ${facts.reason}`] };
    case "invalid":
      return only(
        found({
          severity: "error",
          code: "pool-invalid",
          what: `its spec in ${facts.version} has no selector, or no target port, that a picker can use`,
          why: "a picker that serves it has no endpoint.",
          change: "give spec.selector.matchLabels and 1 to 8 spec.targetPorts.",
        }),
      );
    case "read":
      break;
  }
  const rights = facts.rights.kind === "reviewed" ? facts.rights : undefined;
  return {
    findings: [
      ...podFaults(facts).map(found),
      ...pickerFaults(facts.picker).map(found),
      ...gatewayFaults(facts.conditions).map(found),
      ...rightFaults(rights?.account ?? "", rights?.lacking ?? []).map(found),
    ],
    notChecked: [
      ...(typeof facts.pods === "string" ? [`${subject}: its pods: ${facts.pods}`] : []),
      ...(facts.picker.kind === "unread" ? [`${subject}: its picker: ${facts.picker.reason}`] : []),
      ...(facts.rights.kind === "unknown"
        ? [`${subject}: rights of its picker: ${facts.rights.reason}`]
        : []),
    ],
  };
}

type Fault = Omit<Finding, "subject">;

function only(finding: Finding): Report {
  return { findings: [finding], notChecked: [] };
}

function podFaults({ pods, selection }: Extract<ClusterFacts, { kind: "read" }>): readonly Fault[] {
  if (typeof pods === "string" || pods.ready > 0) return [];
  const why = "the picker has no endpoint, and answers every request with 503.";
  if (pods.all === 0) {
    return [
      {
        severity: "error",
        code: "pool-without-pods",
        what: `no pod has its labels (${selection.labelSelector})`,
        why,
        change: "compare spec.selector with kubectl get pods --show-labels.",
      },
    ];
  }
  return [
    {
      severity: "error",
      code: "no-pod-ready",
      what: `none of its ${pods.all} pods is ready`,
      why,
      change: `kubectl describe pods -l ${selection.labelSelector}: readiness probe, image or GPU.`,
    },
  ];
}

function pickerFaults(picker: PickerService): readonly Fault[] {
  const why = "the gateway cannot ask it: requests fail, or go to any endpoint with FailOpen.";
  if (picker.kind === "missing") {
    return [
      {
        severity: "error",
        code: "picker-service-missing",
        what: `the Service ${picker.name} of its endpointPickerRef does not exist`,
        why,
        change: "name the picker's Service in spec.endpointPickerRef, in the same namespace.",
      },
    ];
  }
  if (picker.kind !== "read") return [];
  const { name, port, hasPort, pods } = picker;
  const faults: Fault[] = [];
  if (!hasPort) {
    faults.push({
      severity: "error",
      code: "picker-port-missing",
      what: `the Service ${name} of its endpointPickerRef has no port ${port}`,
      why,
      change: "give the Service's port for gRPC in spec.endpointPickerRef.port.number.",
    });
  }
  if (pods?.ready === 0) {
    faults.push({
      severity: "error",
      code: "no-picker-ready",
      what: `none of the ${pods.all} pods behind the Service ${name} is ready`,
      why,
      change: "kubectl logs of the picker; pointsman doctor inside its pod tells more.",
    });
  }
  return faults;
}

/** Conditions that hold if all is well; others, of any gateway, say what they mean by themselves. */
const goodConditions: ReadonlySet<string> = new Set(["Accepted", "ResolvedRefs", "Programmed"]);

function gatewayFaults(conditions: readonly PoolCondition[] | undefined): readonly Fault[] {
  if (conditions === undefined) {
    return [
      {
        severity: "warning",
        code: "pool-not-referenced",
        what: "no gateway has reported about it",
        why: "without a route to it, or with a gateway that does not know InferencePools, no request comes.",
        change:
          "name it in a backendRef of an HTTPRoute: {group: inference.networking.k8s.io, kind: InferencePool}.",
      },
    ];
  }
  return conditions
    .filter(({ type, isTrue }) => goodConditions.has(type) && !isTrue)
    .map(({ gateway, type, text }) => ({
      severity: "error",
      code: "pool-not-accepted",
      what: `${gateway} reports ${type} as not true: ${text}`,
      why: "the gateway does not route to it, or not through its picker.",
      change: "what the condition says; kubectl describe inferencepool shows all of them.",
    }));
}

function rightFaults(account: string, lacking: readonly LackingRight[]): readonly Fault[] {
  return lacking.map((right): Fault => {
    const { group, resource, name, namespace, isRequired, verbs, loss } = right;
    const severity: Severity = isRequired ? "error" : "warning";
    const ofGroup = group === "" ? "" : ` of ${group}`;
    const named = name === undefined ? resource : `${resource} ${name}`;
    const role = namespace === undefined ? "ClusterRole" : "Role";
    return {
      severity,
      code: "right-missing",
      what: `service account ${account} may not ${right.lacking.join(", ")} ${named}${ofGroup}`,
      why: loss,
      change: `add to a ${role} of the account: ${ruleText({ group, resource, verbs })}`,
    };
  });
}
