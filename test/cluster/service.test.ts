import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Child, start } from "#test/support/child.ts";
import type { KubeObject } from "#test/support/kube/client.ts";
import { becomes, clusterPickers, type TestNamespace } from "#test/support/kube/cluster-fixture.ts";
import { controlPlaneOfFile } from "#test/support/kube/control-plane-fixture.ts";
import { createNetworkNamespace } from "#test/support/kube/network-namespace.ts";
import { anEndpointSlice, aPod, aService } from "#test/support/kube/objects.ts";
import type { ClusterPicker } from "#test/support/kube/picker.ts";
import { eventually } from "#test/support/wait.ts";

const enginePort = 8_000;
const endpointCount = 250;
const sliceCount = 3;

/** The API server takes no loopback address for an endpoint. */
const addresses = Array.from(
  { length: endpointCount },
  (_, index) => `10.1.${index >> 8}.${index & 255}`,
);
const network = createNetworkNamespace(addresses.map((address) => `${address}/32`));
afterAll(() => network.close());

const plane = controlPlaneOfFile({ namespace: network });
const cluster = clusterPickers(plane);

let engines: Child;
beforeAll(async () => {
  const line = [process.execPath, "test/support/kube/idle-engine.ts", String(enginePort)];
  const [program = "", ...argv] = network.command(line);
  engines = start(program, argv);
  await engines.line(/listening/);
});
afterAll(() => engines.close());

const read = ["get", "list", "watch"];
const slicesOnly = [
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: read },
];
const allRules = [
  ...slicesOnly,
  { apiGroups: [""], resources: ["services"], verbs: read },
  { apiGroups: [""], resources: ["pods"], verbs: read },
];

let namespace: TestNamespace;
beforeEach(async () => {
  namespace = await cluster.namespace(allRules);
});

function startPicker({ kubeconfig, name }: TestNamespace, ...flags: readonly string[]) {
  return cluster.picker({
    kubeconfig,
    flags: ["--service", "vllm", "--pool-namespace", name, ...flags],
    namespace: network,
  });
}

function service(of = namespace, parts: { selector?: Record<string, string> } = {}) {
  return plane().client.apply(
    aService({ name: "vllm", namespace: of.name, port: enginePort, ...parts }),
  );
}

function slice(
  name: string,
  endpoints: Parameters<typeof anEndpointSlice>[0]["endpoints"],
  of = namespace,
): Promise<KubeObject> {
  return plane().client.apply(
    anEndpointSlice({ name, namespace: of.name, service: "vllm", port: enginePort, endpoints }),
  );
}

const at = (index: number, parts = {}) => ({ address: addresses[index] ?? "", ...parts });

async function engineCount(picker: ClusterPicker): Promise<number> {
  const { endpoints } = (await picker.page()) as unknown as { endpoints: { engine: string }[] };
  return endpoints.filter(({ engine }) => engine === "vllm").length;
}

describe("a picker of a Service", () => {
  it("follows 250 endpoints in three slices, and reads the signals of all", async () => {
    await service();
    const picker = await startPicker(namespace);
    await Promise.all(
      Array.from({ length: sliceCount }, (_, index) => {
        const mine = addresses.flatMap((_address, each) =>
          each % sliceCount === index ? [at(each)] : [],
        );
        return slice(`vllm-${index}`, mine);
      }),
    );
    await becomes(async () => (await picker.takers()).length, endpointCount);
    await becomes(() => engineCount(picker), endpointCount);
    expect(await picker.health("readiness")).toBe("SERVING");
    await slice("vllm-0", [at(0)]);
    const rest = endpointCount - Math.ceil(endpointCount / sliceCount) + 1;
    await becomes(async () => (await picker.takers()).length, rest);
  });

  it("goes by the conditions of an endpoint", async () => {
    await service();
    await slice("vllm-0", [at(0), at(1), at(2)]);
    const picker = await startPicker(namespace);
    const nameOf = (index: number) => `${addresses[index]}:${enginePort}`;
    await becomes(() => picker.takers(), [nameOf(0), nameOf(1), nameOf(2)]);
    await slice("vllm-0", [
      at(0),
      at(1, { ready: false, serving: true, terminating: true }),
      at(2, { ready: false }),
    ]);
    await becomes(() => picker.takers(), [nameOf(0)]);
    expect(await picker.excluded()).toEqual([
      `${addresses[1]} terminating`,
      `${addresses[2]} not-ready`,
    ]);
  });

  it("takes labels and what dooms them from the pods behind", async () => {
    const selector = { app: "vllm" };
    await service(namespace, { selector });
    const pod = aPod({ name: "a", namespace: namespace.name, labels: selector, ip: "10.1.0.0" });
    const { metadata } = await plane().client.apply(pod);
    const { uid } = metadata as unknown as { uid: string };
    const made = anEndpointSlice({
      ...{ name: "vllm-0", namespace: namespace.name, service: "vllm", port: enginePort },
      endpoints: [],
    });
    await plane().client.apply({
      ...made,
      endpoints: [
        {
          addresses: [addresses[0]],
          zone: "zone-1",
          nodeName: "node-1",
          targetRef: { kind: "Pod", name: "a", namespace: namespace.name, uid },
        },
      ],
    });
    const picker = await startPicker(namespace);
    await becomes(async () => (await picker.page()).endpoints[0]?.labels, {
      "topology.kubernetes.io/zone": "zone-1",
      "kubernetes.io/hostname": "node-1",
      app: "vllm",
    });
    const conditions = [
      { type: "Ready", status: "True" },
      { type: "DisruptionTarget", status: "True" },
    ];
    await plane().client.patch(pod, { status: { conditions } }, "status");
    await becomes(() => picker.excluded(), ["a disrupted"]);
  });

  it("needs the right to EndpointSlices alone", async () => {
    const poor = await cluster.namespace(slicesOnly);
    await service(poor);
    await slice("vllm-0", [at(3)], poor);
    const picker = await startPicker(poor);
    await becomes(() => picker.takers(), [`${addresses[3]}:${enginePort}`]);
    expect(await picker.health("readiness")).toBe("SERVING");
  });

  it("waits for a Service that does not exist, and says what is not clear of its ports", async () => {
    const picker = await startPicker(namespace);
    await becomes(async () => (await picker.page()).problem, "it does not exist");
    expect(await picker.health("readiness")).toBe("NOT_SERVING");
    await service();
    const made = anEndpointSlice({
      ...{ name: "vllm-0", namespace: namespace.name, service: "vllm", port: enginePort },
      endpoints: [at(4)],
    });
    const ports = [
      { name: "http", port: enginePort },
      { name: "metrics", port: 9_000 },
    ];
    await plane().client.apply({ ...made, ports });
    const problem = await eventually("a problem with ports", async () => {
      const page = await picker.page();
      return page.problem?.includes("ports") === true ? page.problem : undefined;
    });
    expect(problem).toBe(
      "its ports are http (8000), metrics (9000): name one with --service vllm:PORT",
    );
    const second = await startPicker(namespace, "--service", "vllm:http");
    await becomes(() => second.takers(), [`${addresses[4]}:${enginePort}`]);
  });
});
