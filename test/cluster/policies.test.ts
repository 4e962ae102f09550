import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CrdFiles, crdFiles } from "#test/components/crds.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import {
  anInferenceModelRewrite,
  anInferenceObjective,
  anInferencePool,
  aPod,
} from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";
import { eventually } from "#test/support/wait.ts";

const plane = controlPlaneOfFile();
const cluster = clusterPickers(plane);

let crds: CrdFiles;
beforeAll(async () => {
  crds = await crdFiles(() => undefined);
  await plane().client.applyCrds(crds.inferencePool);
});

let namespace: TestNamespace;
let picker: ClusterPicker;

async function startPicker(...flags: readonly string[]): Promise<void> {
  picker = await cluster.picker({
    kubeconfig: namespace.kubeconfig,
    flags: ["--pool-name", "llama", "--pool-namespace", namespace.name, ...flags],
  });
  await becomes(() => picker.health("readiness"), "SERVING");
}

beforeEach(async () => {
  namespace = await cluster.namespace();
  const { client } = plane();
  const selector = { app: "vllm" };
  await client.apply(anInferencePool({ name: "llama", namespace: namespace.name, selector }));
  await client.apply(
    aPod({ name: "a", namespace: namespace.name, labels: selector, ip: "127.3.1.1" }),
  );
});

/** The priority that a request with an objective is given, by the record of its decision. */
async function priorityOf(objective: string, header = "x-llm-d-inference-objective") {
  await picker.pick({ [header]: objective });
  const response = await fetch(`http://127.0.0.1:${picker.ports.metrics}/debug/decisions?last=1`);
  // The page is the picker's own.
  const { decisions } = (await response.json()) as { decisions: { priority: number }[] };
  return decisions[0]?.priority;
}

/** The model that an engine is asked for. */
async function modelOf(model: string, headers: Readonly<Record<string, string>> = {}) {
  const picked = await picker.pick(headers, JSON.stringify({ model, prompt: "hello" }));
  // What goes to the engine is the request that was sent in.
  return typeof picked === "number" ? picked : (JSON.parse(picked.body) as { model: string }).model;
}

const named = (name: string) => ({ name, namespace: namespace.name, pool: "llama" });

const to = (modelRewrite: string) => [{ modelRewrite }];

describe("kinds that are installed while a picker runs", () => {
  it("are noticed, the legacy group too, and the newer one counts where it has objects", async () => {
    await startPicker();
    expect(await priorityOf("urgent")).toBe(0);
    expect(await modelOf("m")).toBe("m");
    const { client } = plane();
    const group = "inference.networking.x-k8s.io";

    await client.applyCrds(crds.legacy);
    await client.apply(anInferenceObjective({ ...named("urgent"), group, priority: 3 }));
    await client.apply(anInferenceObjective({ ...named("old"), group, priority: 4 }));
    await becomes(() => priorityOf("urgent"), 3, 10_000);

    await client.applyCrds(crds.llmD);
    await client.apply(anInferenceObjective({ ...named("urgent"), priority: 7 }));
    await becomes(() => priorityOf("urgent"), 7, 10_000);
    expect(await priorityOf("old")).toBe(0);
  });
});

describe("with the kinds installed", () => {
  beforeAll(async () => {
    await plane().client.applyCrds([...crds.llmD, ...crds.legacy]);
  });

  it.each([[[]], [["--pool-group", "inference.networking.x-k8s.io"]]])(
    "an objective counts within five seconds, and no longer than it lives, under the flags %j",
    async (flags) => {
      await startPicker(...flags);
      const { client } = plane();
      const objective = anInferenceObjective({ ...named("urgent"), priority: 5 });
      await client.apply(objective);
      await becomes(() => priorityOf("urgent"), 5, 5_000);
      expect(await priorityOf("urgent", "x-gateway-inference-objective")).toBe(5);
      await client.apply(anInferenceObjective({ ...named("urgent"), priority: -2 }));
      await becomes(() => priorityOf("urgent"), -2);
      await client.apply(anInferenceObjective({ ...named("urgent"), pool: "another" }));
      await becomes(() => priorityOf("urgent"), 0);
      await client.apply(objective);
      await becomes(() => priorityOf("urgent"), 5);
      await client.delete(objective);
      await becomes(() => priorityOf("urgent"), 0);
    },
  );

  it("a rewrite counts: exact before generic, the oldest first, a header before all", async () => {
    await startPicker();
    const { client } = plane();
    await client.apply(
      anInferenceModelRewrite({ ...named("first"), rules: [{ targets: to("any") }] }),
    );
    await becomes(() => modelOf("m"), "any");
    await client.apply(
      anInferenceModelRewrite({
        ...named("second"),
        rules: [{ model: "m", targets: to("exact") }, { targets: to("younger") }],
      }),
    );
    await becomes(() => modelOf("m"), "exact");
    expect(await modelOf("n")).toBe("any");
    expect(await modelOf("m", { "x-llm-d-model-name-rewrite": "asked" })).toBe("asked");
    // A request without a model gets that of the rule for all.
    const without = await picker.pick({}, '{"prompt":"hello"}');
    expect(without).toMatchObject({ body: expect.stringContaining('"any"') as unknown });
    await client.delete(anInferenceModelRewrite({ ...named("first"), rules: [] }));
    await becomes(() => modelOf("n"), "younger");
    await client.delete(anInferenceModelRewrite({ ...named("second"), rules: [] }));
    await becomes(() => modelOf("m"), "m");
  });

  it("targets are drawn by their weights", async () => {
    await startPicker();
    await plane().client.apply(
      anInferenceModelRewrite({
        ...named("canary"),
        rules: [
          {
            model: "m",
            targets: [
              { modelRewrite: "old", weight: 90 },
              { modelRewrite: "new", weight: 10 },
            ],
          },
        ],
      }),
    );
    await eventually("the rewrite counts", async () =>
      (await modelOf("m")) === "m" ? undefined : true,
    );
    let fresh = 0;
    for (let count = 0; count < 400; count += 1) {
      if ((await modelOf("m")) === "new") fresh += 1;
    }
    // 40 expected, with a deviation of 6: five of them either way.
    expect(fresh).toBeGreaterThan(10);
    expect(fresh).toBeLessThan(70);
  });
});
