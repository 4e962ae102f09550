import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { findKustomize } from "../components/kustomize.ts";
import type { KubeObject } from "../support/kube/client.ts";
import { controlPlaneOfFile } from "../support/kube/control-plane-fixture.ts";
import { overlaysFolder } from "../support/manifests.ts";
import { renderOverlay } from "../support/render.ts";
import { eventually } from "../support/wait.ts";
import { say } from "#test/support/say.ts";

const overlays = ["inference-pool", "service", "ha", "watched-config", "monitoring"] as const;
const inference = "inference.networking.k8s.io";

/** What each overlay lets an account do in its namespace, and what it does not. */
const may: readonly (readonly [(typeof overlays)[number], string, boolean])[] = [
  ["inference-pool", "list pods", true],
  ["inference-pool", `watch inferencepools.${inference}`, true],
  ["inference-pool", "list inferenceobjectives.llm-d.ai", true],
  ["inference-pool", "list inferencemodelrewrites.inference.networking.x-k8s.io", true],
  ["inference-pool", "create tokenreviews.authentication.k8s.io", true],
  ["inference-pool", "create subjectaccessreviews.authorization.k8s.io", true],
  ["inference-pool", "list secrets", false],
  ["inference-pool", "list services", false],
  ["inference-pool", "get configmaps/pointsman", false],
  ["inference-pool", "create leases.coordination.k8s.io", false],
  ["inference-pool", "delete pods", false],
  ["inference-pool", `update inferencepools.${inference}`, false],
  ["service", "list pods", true],
  ["service", "list inferenceobjectives.llm-d.ai", true],
  ["service", "watch services", true],
  ["service", "list endpointslices.discovery.k8s.io", true],
  ["service", `list inferencepools.${inference}`, false],
  ["ha", "create leases.coordination.k8s.io", true],
  ["ha", "update leases.coordination.k8s.io/any", true],
  ["watched-config", "watch configmaps/pointsman", true],
  ["watched-config", "create events", true],
  ["watched-config", "get configmaps/other", false],
  ["watched-config", "update configmaps/pointsman", false],
  ["monitoring", "get /metrics", false],
];

const scraper: readonly (readonly [string, boolean])[] = [
  ["get /metrics", true],
  ["get /debug/pool", true],
  ["get /logs", false],
  ["list pods", false],
];

/** A server for each overlay would take too long: each is applied, asked about and taken away. */
describe("the API server", () => {
  const plane = controlPlaneOfFile();
  let kustomize: string;
  const answers = new Map<string, boolean>();

  beforeAll(async () => {
    kustomize = await findKustomize(say);
    for (const overlay of overlays) await askOf(overlay);
  }, 1_800_000);

  it.each(may)("with the overlay %s, to %s, says %s", (overlay, act, allowed) => {
    expect(answers.get(`${overlay}: ${act}`)).toBe(allowed);
  });

  it("lets the account of the scraper read what is said of the picker, and nothing else", () => {
    expect(scraper.map(([act]) => [act, answers.get(`scraper: ${act}`)])).toEqual(scraper);
  });

  async function askOf(overlay: (typeof overlays)[number]): Promise<void> {
    const rights = renderOverlay(kustomize, path.join(overlaysFolder, overlay)).filter(
      ({ apiVersion }) => apiVersion.startsWith("rbac.authorization.k8s.io/"),
    );
    for (const object of rights) await plane().client.apply(object);
    for (const [, act, allowed] of may.filter(([one]) => one === overlay)) {
      answers.set(`${overlay}: ${act}`, await settled("pointsman", act, allowed));
    }
    if (overlay === "monitoring") {
      for (const [act, allowed] of scraper) {
        answers.set(`scraper: ${act}`, await settled("pointsman-metrics-reader", act, allowed));
      }
    }
    for (const object of rights) await plane().client.delete(object);
    await settled("pointsman", "list pods", false);
  }

  /** The answer, which follows a change of roles a moment later. */
  async function settled(account: string, act: string, expected: boolean): Promise<boolean> {
    const asExpected = async () => (await isAllowed(account, act)) === expected;
    const isExpected = await eventually(act, asExpected, 5_000).catch(() => false);
    return isExpected ? expected : !expected;
  }

  async function isAllowed(account: string, act: string): Promise<boolean> {
    const [verb = "", what = ""] = act.split(" ");
    const review = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      metadata: {},
      spec: { user: `system:serviceaccount:default:${account}`, ...whatOf(verb, what) },
    };
    // A review is the one object here that must have no name.
    const answer = await plane().client.create(review as unknown as KubeObject);
    // The status of a review that was answered.
    return (answer.status as { allowed: boolean }).allowed;
  }
});

/** `configmaps/NAME`, `pods`, `leases.GROUP`, or a path. */
function whatOf(verb: string, what: string): object {
  if (what.startsWith("/")) return { nonResourceAttributes: { verb, path: what } };
  const [kind = "", name] = what.split("/");
  const [resource, ...group] = kind.split(".");
  const named = name === undefined ? {} : { name };
  return {
    resourceAttributes: { namespace: "default", verb, resource, group: group.join("."), ...named },
  };
}
