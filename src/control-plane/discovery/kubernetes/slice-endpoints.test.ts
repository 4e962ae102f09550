import { describe, expect, it } from "vitest";
import type { KubeObject } from "../../kubernetes/kube-api.ts";
import { endpointSliceOf } from "./endpoint-slice.ts";
import { type Pod, podOf } from "./pod.ts";
import { endpointsOfSlices } from "./slice-endpoints.ts";

interface SliceParts {
  readonly name?: string;
  readonly addressType?: string;
  readonly ports?: readonly object[];
  readonly endpoints: readonly object[];
}

function aSlice({ name = "s", addressType = "IPv4", ports, endpoints }: SliceParts): KubeObject {
  return {
    metadata: { name },
    addressType,
    ports: ports ?? [{ name: "http", port: 8000 }],
    endpoints,
  };
}

const at = (address: string, pod?: string, parts: object = {}) => ({
  addresses: [address],
  ...(pod === undefined ? {} : { targetRef: { kind: "Pod", name: pod, uid: `uid-${pod}` } }),
  ...parts,
});

const targetOf = (uid: string) => ({ targetRef: { kind: "Pod", name: "a", uid } });

function membershipOf(
  objects: readonly KubeObject[],
  { port, pods = [] }: { readonly port?: string; readonly pods?: readonly Pod[] } = {},
) {
  return endpointsOfSlices({
    namespace: "n",
    slices: objects.flatMap((object) => endpointSliceOf(object) ?? []),
    port,
    podOf: (_, name) => pods.find((pod) => pod.name === name),
  });
}

function specsOf(...given: Parameters<typeof membershipOf>) {
  const membership = membershipOf(...given);
  return membership.kind === "known" ? membership.specs : membership.problem;
}

describe("endpoints of a Service", () => {
  it("are those of all its slices, with zone and node as labels", () => {
    const specs = specsOf([
      aSlice({ name: "s2", endpoints: [at("10.0.0.2", "b")] }),
      aSlice({ endpoints: [at("10.0.0.1", "a", { zone: "z", nodeName: "node" })] }),
    ]);
    expect(specs).toEqual([
      {
        id: "n/a",
        namespace: "n",
        name: "a",
        address: "10.0.0.1",
        port: 8000,
        incarnation: "uid-a",
        podName: "a",
        labels: { "topology.kubernetes.io/zone": "z", "kubernetes.io/hostname": "node" },
      },
      expect.objectContaining({ id: "n/b", address: "10.0.0.2" }),
    ]);
  });

  it("are named by their address if they have no pod", () => {
    expect(specsOf([aSlice({ endpoints: [at("10.0.0.9")] })])).toEqual([
      expect.objectContaining({ id: "n/10.0.0.9", incarnation: "" }),
    ]);
  });

  it("are named by address and port if several without a pod share one address", () => {
    const slices = [8_000, 8_001].map((port) =>
      aSlice({ name: `s${port}`, ports: [{ name: "http", port }], endpoints: [at("10.0.0.9")] }),
    );
    expect(specsOf(slices, { port: "http" })).toEqual([
      expect.objectContaining({ id: "n/10.0.0.9:8000", port: 8_000 }),
      expect.objectContaining({ id: "n/10.0.0.9:8001", port: 8_001 }),
    ]);
  });

  it("are each port of pods on one node that the slices list with different ports", () => {
    const slices = [8_000, 8_001].map((port) =>
      aSlice({
        name: `s${port}`,
        ports: [{ name: "http", port }],
        endpoints: [at("10.0.0.9", `p${port}`)],
      }),
    );
    expect(specsOf(slices, { port: "http" })).toEqual([
      expect.objectContaining({ id: "n/p8000", port: 8_000 }),
      expect.objectContaining({ id: "n/p8001", port: 8_001 }),
    ]);
  });

  it("are two for a pod and one that was created again under its name", () => {
    const conditions = { ready: false, terminating: true };

    const slices = [
      aSlice({ name: "1", endpoints: [at("10.0.0.1", "a", { conditions, ...targetOf("1") })] }),
      aSlice({ name: "2", endpoints: [at("10.0.0.2", "a", targetOf("2"))] }),
    ];
    expect(specsOf(slices)).toMatchObject([
      { incarnation: "1", drain: "terminating" },
      { incarnation: "2", address: "10.0.0.2" },
    ]);
  });

  it.each([
    [undefined, {}],
    [undefined, { ready: true, serving: true, terminating: false }],
    [undefined, { ready: null }],
    ["not-ready", { ready: false }],
    ["not-ready", { ready: false, serving: true, terminating: false }],
    ["terminating", { ready: false, serving: true, terminating: true }],
    ["terminating", { ready: false, serving: false, terminating: true }],
  ])("drain as %s for the conditions %j", (drain, conditions) => {
    const specs = specsOf([aSlice({ endpoints: [at("10.0.0.1", "a", { conditions })] })]);
    expect(typeof specs === "string" ? specs : specs.map((spec) => spec.drain)).toEqual([drain]);
  });

  it("are one for a pod in slices of both families, at its IPv4 address", () => {
    const specs = specsOf([
      aSlice({ name: "six", addressType: "IPv6", endpoints: [at("fd00::1", "a")] }),
      aSlice({ name: "zz-four", endpoints: [at("10.0.0.1", "a")] }),
    ]);
    expect(specs).toEqual([expect.objectContaining({ address: "10.0.0.1" })]);
  });

  it("are at IPv6 addresses if there are no others", () => {
    const six = aSlice({ addressType: "IPv6", endpoints: [at("fd00::1", "a")] });
    expect(specsOf([six])).toEqual([expect.objectContaining({ address: "fd00::1" })]);
  });

  it("do not come from a slice of host names, or of an unknown address type", () => {
    expect(specsOf([aSlice({ addressType: "FQDN", endpoints: [at("x.example")] })])).toEqual([]);
    expect(specsOf([aSlice({ addressType: "IPv8", endpoints: [at("1.2")] })])).toEqual([]);
  });

  it("use the better state of a pod that is in two slices while it moves", () => {
    const draining = at("10.0.0.1", "a", { conditions: { ready: false } });
    const well = at("10.0.0.1", "a");
    for (const [first, second] of [
      [draining, well],
      [well, draining],
    ] as const) {
      const slices = [
        aSlice({ name: "1", endpoints: [first] }),
        aSlice({ name: "2", endpoints: [second] }),
      ];
      const membership = membershipOf(slices);
      expect(membership).toMatchObject({ specs: [{ id: "n/a" }], excluded: [] });
      expect(membership).not.toMatchObject({ specs: [{ drain: "not-ready" }] });
    }
  });

  const twoPorts = [
    { name: "http", port: 8000 },
    { name: "metrics", port: 9000 },
  ];

  it.each([
    ["a name", "metrics", 9000],
    ["a number", "8000", 8000],
  ])("are on the port that %s names", (_, port, number) => {
    const slice = aSlice({ ports: twoPorts, endpoints: [at("10.0.0.1", "a")] });
    expect(specsOf([slice], { port })).toEqual([expect.objectContaining({ port: number })]);
  });

  it("are none if the port is missing, and ambiguous if there are several", () => {
    const slice = aSlice({ ports: twoPorts, endpoints: [at("10.0.0.1", "a")] });
    expect(specsOf([slice], { port: "grpc" })).toEqual([]);
    expect(specsOf([slice])).toBe("its ports are http (8000), metrics (9000): name one");
  });

  it("have the labels and the disruption of their pod, if it is the same pod", () => {
    const conditions = [{ type: "DisruptionTarget", status: "True" }];
    const podWith = (uid: string) =>
      podOf({
        metadata: { namespace: "n", name: "a", uid, labels: { role: "decode" } },
        status: { conditions, hostIP: "192.168.0.1" },
      });
    const slice = aSlice({ endpoints: [at("10.0.0.1", "a")] });
    const joined = podWith("uid-a");
    const other = podWith("uid-of-another");
    if (joined === undefined || other === undefined) throw new Error("these are pods");
    expect(specsOf([slice], { pods: [joined] })).toEqual([
      expect.objectContaining({
        labels: { role: "decode" },
        drain: "disrupted",
        nodeAddress: "192.168.0.1",
      }),
    ]);
    expect(specsOf([slice], { pods: [other] })).toEqual([expect.objectContaining({ labels: {} })]);
  });
});
