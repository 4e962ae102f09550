import { describe, expect, it } from "vitest";
import { lackingRightIn } from "./lacking-right.ts";

const forbidden = 'pods is forbidden: User "system:serviceaccount:n:epp" cannot list resource';

describe("lackingRightIn", () => {
  it.each([
    [
      `KubeError: ${forbidden} "pods" in API group "" in the namespace "models"`,
      'add to a Role of service account n/epp in namespace models: {apiGroups: [""], resources: [pods], verbs: [get, list, watch]} (docs/install.md, Rights)',
    ],
    [
      'x is forbidden: User "jo" cannot watch resource "inferencepools" in API group "inference.networking.k8s.io" at the cluster scope',
      'add to a ClusterRole of user jo: {apiGroups: ["inference.networking.k8s.io"], resources: [inferencepools], verbs: [get, list, watch]} (docs/install.md, Rights)',
    ],
    [
      `User "system:serviceaccount:n:epp" cannot create resource "events" in API group "" in the namespace "n"`,
      'add to a Role of service account n/epp in namespace n: {apiGroups: [""], resources: [events], verbs: [create]} (docs/install.md, Rights)',
    ],
  ])("names the rule for %s", (failure, rule) => {
    expect(lackingRightIn(failure)).toBe(rule);
  });

  it.each(["", "connect ECONNREFUSED 10.0.0.1:443", "Unauthorized"])(
    "leaves other failures alone: %s",
    (failure) => {
      expect(lackingRightIn(failure)).toBeUndefined();
    },
  );
});
