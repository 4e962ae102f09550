import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { becomes } from "../kube/cluster-fixture.ts";
import type { KubeClient } from "../kube/client.ts";
import { conditionsOf } from "../kube/conditions.ts";
import { controlPlaneOfFile } from "../kube/control-plane-fixture.ts";
import { createNetworkNamespace } from "../kube/network-namespace.ts";
import { overlayNamespace as namespace } from "../kube/overlay-picker.ts";
import type { GatewayKind } from "./gateway-kind.ts";
import { type GatewayRig, startGatewayRig } from "./rig.ts";
import { GatewayTraffic, isWhole } from "./traffic.ts";

/** Milliseconds; controllers are built if the cache lacks them. */
const buildTimeoutMs = 3_600_000;

const addresses = ["10.1.0.1", "10.1.0.2", "10.1.0.3"];

/** More than 1,024, and few enough to be answered within seconds. */
const streamCount = 1_200;

/** A document whose requests may wait for 20 minutes, longer than Envoy's default limits. */
const waitingDocument = `apiVersion: pointsman.dev/v1alpha1
kind: EndpointPickerConfig
featureGates: [flowControl]
flowControl: {defaultRequestTTL: 20m}
`;

/** Saves a page in a file. */
const saveScript = `import { writeFileSync } from "node:fs";
const [url, file] = process.argv.slice(1);
writeFileSync(file, await (await fetch(url)).text());`;

export const gatewayApi = "gateway.networking.k8s.io/v1";

/** The pool of the overlays that have one. */
export const acceptedPool = {
  ...{ apiVersion: "inference.networking.k8s.io/v1", kind: "InferencePool" },
  ...{ name: "model-servers", also: ["ResolvedRefs True"] },
};

export interface GatewayUnderTest {
  readonly rig: () => GatewayRig;
  readonly traffic: () => GatewayTraffic;
  /** As the admin of the cluster. */
  readonly client: () => KubeClient;
  /** What controllers say of an object of the overlay. */
  conditions(apiVersion: string, kind: string, name: string): Promise<readonly string[]>;
}

/** A control plane, a gateway and its overlay, for all tests of the file that calls this. */
export function gatewayOfFile(kind: GatewayKind): GatewayUnderTest {
  const network = createNetworkNamespace(addresses.map((address) => `${address}/32`));
  afterAll(() => network.close());
  const plane = controlPlaneOfFile({ namespace: network });
  let running: { readonly rig: GatewayRig; readonly traffic: GatewayTraffic } | undefined;
  beforeAll(async () => {
    const rig = await startGatewayRig({ plane: plane(), network, addresses, kind });
    running = { rig, traffic: new GatewayTraffic(rig) };
  }, buildTimeoutMs);
  afterAll(async () => {
    await running?.traffic.close();
    await running?.rig.close();
  });
  const parts = () => {
    if (running === undefined) throw new Error("the rig runs while tests do");
    return running;
  };
  return {
    rig: () => parts().rig,
    traffic: () => parts().traffic,
    client: () => plane().client,
    conditions: (apiVersion, ofKind, name) =>
      conditionsOf(plane().client, { apiVersion, kind: ofKind, metadata: { name, namespace } }),
  };
}

interface AcceptedObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  /** What is said of it beside `Accepted True`. */
  readonly also: readonly string[];
}

/** Controllers accept these objects, and the Gateway and the route that every overlay has. */
export function itAccepts(gateway: GatewayUnderTest, objects: readonly AcceptedObject[]): void {
  it.each([
    {
      ...{ apiVersion: gatewayApi, kind: "Gateway", name: "inference-gateway" },
      also: ["Programmed True", "ResolvedRefs True"],
    },
    {
      ...{ apiVersion: gatewayApi, kind: "HTTPRoute", name: "model-servers" },
      also: ["ResolvedRefs True"],
    },
    ...objects,
  ])("accepts the $kind", async ({ apiVersion, kind, name, also }) => {
    const conditions = () => gateway.conditions(apiVersion, kind, name);
    await becomes(conditions, ["Accepted True", ...also]);
  });
}

/** What every gateway with a picker owes its clients. */
export function itRoutesAsThePickerChose({ rig, traffic }: GatewayUnderTest): void {
  /** Which engines answer this many requests; all of them as the picker chose. */
  async function enginesThatAnswer(count: number): Promise<readonly string[]> {
    const answers = await traffic().chats(count);
    for (const { status, text } of answers) {
      expect(`${status} ${text.slice(0, 100)}`).toMatch(/^200 .*"object":"chat.completion"/);
    }
    const routes = await traffic().routesOf(answers);
    expect(routes.filter(({ picked, served }) => picked !== served)).toEqual([]);
    return [...new Set(routes.map(({ served }) => served))].toSorted();
  }

  it("sends each request to the engine that the picker chose", async () => {
    await becomes(async () => (await traffic().chat()).status, 200);
    expect(await enginesThatAnswer(48)).toEqual(rig().engines.hostPorts);
  });

  it("has an Envoy in which neither the doctor nor check finds a fault", async () => {
    const { adminUrl } = rig();
    const doctor = await rig().runInside(["src/main.ts", "doctor", "--envoy", adminUrl, "--json"]);
    expect(JSON.parse(doctor.output)).toEqual({ findings: [], notChecked: [] });
    const folder = mkdtempSync(path.join(tmpdir(), "pointsman-gateway-"));
    try {
      const dump = path.join(folder, "dump.json");
      const document = path.join(folder, "config.yaml");
      await rig().runInside([
        "--input-type=module",
        "-e",
        saveScript,
        `${adminUrl}/config_dump`,
        dump,
      ]);
      writeFileSync(document, waitingDocument);
      const checked = await rig().runInside([
        "src/main.ts",
        "check",
        document,
        "--envoy-config",
        dump,
      ]);
      expect(checked).toMatchObject({ code: 0 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("passes on a streamed answer to its end", async () => {
    const answer = await traffic().chat({ stream: true, max_tokens: 5 });
    expect(isWhole(answer)).toBe(true);
    expect(answer.text.match(/^data: \{/gm)?.length).toBeGreaterThanOrEqual(5);
  });

  it("sends nothing to an engine that turns not ready, and again once it is ready", async () => {
    const { engines, picker } = rig();
    const [first = "", second = "", third = ""] = engines.hostPorts;
    await engines.setReady([0, 2]);
    await becomes(async () => (await picker.takers()).length, 2);
    expect(await enginesThatAnswer(24)).toEqual([first, third]);
    await engines.setReady([0, 1, 2]);
    await becomes(async () => (await enginesThatAnswer(8)).includes(second), true, 15_000);
  });

  it("answers 503 while no engine is ready, and flows again with the first one", async () => {
    const { engines, picker } = rig();
    await engines.setReady([]);
    await becomes(async () => (await picker.takers()).length, 0);
    expect(await traffic().chat()).toMatchObject({ status: 503 });
    await engines.setReady([2]);
    await becomes(async () => (await traffic().chat()).status, 200);
    await engines.setReady([0, 1, 2]);
    await becomes(async () => (await picker.takers()).length, 3);
  });

  it("passes more streams at a time than the 1,024 that are Envoy's default", async () => {
    const { begun, answers } = await traffic().openStreams(streamCount);
    await becomes(async () => begun(), streamCount, 40_000);
    await rig().engines.slowDown(1);
    expect((await answers).filter(isWhole)).toHaveLength(streamCount);
  });
}
