import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { flagHelp, parseFlags } from "../../src/cli/flags.ts";
import { serveFlags } from "../../src/cli/serve-flags.ts";
import { crdFiles } from "../components/crds.ts";
import { gatewayCrdFiles } from "../components/gateway-crds.ts";
import { findHelm } from "../components/helm.ts";
import { findKustomize } from "../components/kustomize.ts";
import { built } from "../generate/effective-documents.ts";
import { controlPlaneOfFile } from "../support/kube/control-plane-fixture.ts";
import {
  containersOf,
  grantsOf,
  type Manifest,
  overlaysFolder,
  workloadOf,
} from "../support/manifests.ts";
import { type ChartValues, renderChart, renderNotes, renderOverlay } from "../support/render.ts";
import { say } from "#test/support/say.ts";
import { envoyPath } from "#test/components/envoy.ts";

/** Milliseconds; kustomize and Helm are built if the cache lacks them. */
const buildTimeoutMs = 1_800_000;
const overlays = readdirSync(overlaysFolder);

const plane = controlPlaneOfFile();
let kustomize: string;
let helm: string;

beforeAll(async () => {
  kustomize = await findKustomize(say);
  helm = await findHelm(say);
  const { gatewayApi, inferencePool, llmD } = await crdFiles(say);
  const gateways = await gatewayCrdFiles(say);
  await plane().client.applyCrds([...gatewayApi, ...inferencePool, ...llmD, ...gateways]);
}, buildTimeoutMs);

/** What the API server, with the real definitions, says against each object. */
async function refusals(objects: readonly Manifest[]): Promise<string[]> {
  const checked = objects.filter(({ apiVersion }) => !isUnknown(apiVersion));
  const answers = checked.map(async (object) => {
    try {
      await plane().client.apply(object, { dryRun: true });
      return [];
    } catch (cause) {
      return [`${object.kind} ${object.metadata.name}: ${String(cause)}`];
    }
  });
  return (await Promise.all(answers)).flat();
}

/** GKE's kinds, whose definitions are in no Go module. */
function isUnknown(apiVersion: string): boolean {
  return apiVersion.startsWith("networking.gke.io/");
}

const engines = { matchLabels: { app: "model-server" } };

describe("every overlay", () => {
  it.each(overlays)("%s is accepted by the API server", async (overlay) => {
    const objects = renderOverlay(kustomize, path.join(overlaysFolder, overlay));
    expect(objects.some(({ kind }) => kind === "Deployment")).toBe(true);
    expect(await refusals(objects)).toEqual([]);
  });

  it("binds roles to accounts that it has, in its namespace", () => {
    const strays = overlays.map((overlay) => ({
      overlay,
      unbound: unboundOf(renderOverlay(kustomize, path.join(overlaysFolder, overlay))),
    }));
    expect(strays.filter(({ unbound }) => unbound.length > 0)).toEqual([]);
  });
});

describe("the API server", () => {
  it.each(["Deployment", "DestinationRule", "InferencePool"])(
    "refuses a misspelt field of a %s, so that its consent means something",
    async (kind) => {
      const objects = renderOverlay(kustomize, path.join(overlaysFolder, "gateway-istio"));
      const object = objects.find((one) => one.kind === kind);
      if (object === undefined) throw new Error(`no ${kind}`);
      const spec = { ...Object(object["spec"]), misspelt: true };
      expect(await refusals([{ ...object, spec }])).toEqual([expect.stringContaining("misspelt")]);
    },
  );
});

const variations: readonly { readonly name: string; readonly values: ChartValues }[] = [
  { name: "the least", values: {} },
  { name: "three replicas", values: { router: { epp: { replicas: 3 } } } },
  {
    name: "two replicas that both serve",
    values: { router: { epp: { replicas: 2, flags: { "ha-enable-leader-election": false } } } },
  },
  { name: "a watched document", values: { router: { epp: { configSource: "watched" } } } },
  {
    name: "a certificate, other ports and hooks",
    values: {
      router: {
        epp: {
          tls: { secretName: "certificate" },
          ...{ extProcPort: 9102, grpcHealthPort: 9103, metricsPort: 9190 },
          priorityClassName: "serving",
          nodeSelector: { pool: "cpu" },
          podAnnotations: { "example.com/a": "b" },
          env: [{ name: "NODE_OPTIONS", value: "--max-old-space-size=384" }],
        },
      },
    },
  },
  {
    name: "a Service",
    values: {
      router: {
        inferencePool: { create: false },
        modelServers: { service: { name: "vllm", port: 8000 } },
        inferenceObjectives: [{ name: "batch", priority: -1 }],
      },
    },
  },
  {
    name: "labels alone",
    values: {
      router: {
        inferencePool: { create: false },
        modelServers: { targetPorts: [{ number: 8000 }, { number: 8001 }] },
      },
    },
  },
  {
    name: "objectives and a route",
    values: {
      router: { inferenceObjectives: [{ name: "batch", priority: -1 }] },
      httpRoute: { create: true, baseModel: "m", headerMatches: { "x-tenant": "a" } },
    },
  },
  {
    name: "Istio",
    values: {
      provider: {
        name: "istio",
        istio: {
          destinationRule: {
            trafficPolicy: { connectionPool: { http: { maxRequestsPerConnection: 256000 } } },
          },
        },
      },
    },
  },
  { name: "GKE", values: { provider: { name: "gke" } } },
  {
    name: "monitoring",
    values: { router: { monitoring: { prometheus: { enabled: true, extraLabels: { a: "b" } } } } },
  },
  {
    name: "an Envoy of its own",
    values: { router: { inferencePool: { create: false }, proxy: { enabled: true } } },
  },
  { name: "an Envoy beside it", values: { router: { proxy: { enabled: true, mode: "sidecar" } } } },
  {
    name: "what means nothing here",
    values: {
      router: {
        tokenizer: { enabled: true },
        latencyPredictor: { enabled: true },
        tracing: { enabled: true },
        monitoring: { provider: { name: "gmp", gmp: { autopilot: true } } },
        modelServers: { targetPortNumber: 8000 },
      },
      provider: { gke: { preferredBackends: { enabled: false } } },
    },
  },
];

describe("the chart", () => {
  it.each(variations)("with $name is accepted by the API server", async ({ values }) => {
    const objects = render(values);
    expect(unboundOf(objects)).toEqual([]);
    expect(await refusals(objects)).toEqual([]);
  });

  it.each(variations)("with $name holds documents that load", ({ values }) => {
    const [config] = named(render(values), "ConfigMap", "llm-epp");
    const documents = Object.values(config?.data ?? {});
    expect(documents).not.toEqual([]);
    for (const text of documents) expect(built(text)).toMatchObject({ kind: "built" });
  });

  it.each(variations)("with $name starts the picker with flags of its own help", ({ values }) => {
    const pickers = named(render(values), "Deployment", "llm-epp").flatMap(containersOf);
    const args = pickers
      .filter(({ name }) => name === "epp")
      .flatMap((container) => container.args);
    expect(parseFlags(serveFlags, args, {})).toMatchObject({ kind: "parsed", positionals: [] });
    const help = flagHelp(serveFlags);
    const names = args.map((arg) => /^--[a-z-]+/.exec(arg)?.[0] ?? arg);
    expect(names.filter((name) => !new RegExp(` ${name}\\s`).test(help))).toEqual([]);
    expect(names.length).toBeGreaterThan(1);
  });

  it("elects a leader with more than one replica, and may hold its Lease", () => {
    const objects = render({ router: { epp: { replicas: 2 } } });
    const [epp] = named(objects, "Deployment", "llm-epp").flatMap(containersOf);
    expect(epp?.args).toContain("--ha-enable-leader-election");
    expect(named(objects, "Role", "llm-epp").flatMap(grantsOf)).toContain(
      "create,get,list,update,watch leases.coordination.k8s.io",
    );
    expect(named(objects, "PodDisruptionBudget", "llm-epp")).toEqual([]);
  });

  it("lets a rollout go on without a ready replica where one alone can be ready", () => {
    const [one, several] = [1, 2].map((replicas) =>
      named(render({ router: { epp: { replicas } } }), "Deployment", "llm-epp")
        .map(workloadOf)
        .map(({ strategy }) => strategy?.rollingUpdate),
    );
    expect(one).toEqual([{ maxSurge: 1, maxUnavailable: 0 }]);
    expect(several).toEqual([{ maxSurge: "100%", maxUnavailable: "100%" }]);
  });

  it("disrupts one replica at a time where all serve", () => {
    const flags = { "ha-enable-leader-election": false };
    const objects = render({ router: { epp: { replicas: 2, flags } } });
    expect(named(objects, "PodDisruptionBudget", "llm-epp")).toHaveLength(1);
    expect(named(objects, "Role", "llm-epp").flatMap(grantsOf).join()).not.toContain("leases");
  });

  it("asks for no right to read pools or Services where labels say which pods", () => {
    const objects = render({ router: { inferencePool: { create: false } } });
    const grants = named(objects, "Role", "llm-epp").flatMap(grantsOf).join("\n");
    expect(grants).toContain("get,list,watch pods");
    expect(grants).not.toMatch(/inferencepools|services|endpointslices|configmaps|leases/);
  });

  it.each([
    { name: "a flag", values: { router: { epp: { flags: { "pool-nam": "x" } } } } },
    { name: "a provider", values: { provider: { name: "itsio" } } },
    { name: "a document", values: { router: { epp: { pluginsConfigFile: "plugins.yaml" } } } },
  ])("refuses $name that it does not know", ({ values }) => {
    expect(() => render(values)).toThrow(/not allowed|value must be one of|there is no/);
  });

  it("takes the strategy of the Deployment from values, with and without an election", () => {
    const rollingUpdate = { maxSurge: 0, maxUnavailable: 1 };
    const deploymentStrategy = { type: "RollingUpdate", rollingUpdate };
    for (const replicas of [1, 2]) {
      const objects = render({ router: { epp: { replicas, deploymentStrategy } } });
      const [workload] = named(objects, "Deployment", "llm-epp").map(workloadOf);
      expect(workload?.strategy?.rollingUpdate).toEqual(rollingUpdate);
    }
  });

  it("says nothing of values in its notes where it knows all of them", () => {
    for (const { values } of variations) expect(notes(values)).not.toContain("does not know");
  });

  it.each<{ readonly said: string; readonly values: ChartValues }>([
    {
      said: "router.epp.replica (did you mean router.epp.replicas?)",
      values: { router: { epp: { replica: 2 } } },
    },
    {
      said: "router.epp.repilcas (did you mean router.epp.replicas?)",
      values: { router: { epp: { repilcas: 2 } } },
    },
    {
      said: "router.epp.metricsPrt (did you mean router.epp.metricsPort?)",
      values: { router: { epp: { metricsPrt: 2 } } },
    },
    {
      said: "httproute (did you mean httpRoute?)",
      values: { httproute: { create: true } },
    },
    {
      said: "httpRoute.created (did you mean httpRoute.create?)",
      values: { httpRoute: { created: true } },
    },
    { said: "router.epp.sidecars", values: { router: { epp: { sidecars: [] } } } },
    { said: "inferenceExtension", values: { inferenceExtension: { replicas: 1 } } },
    {
      said: "router.inferenceObjectives[0].weight",
      values: { router: { inferenceObjectives: [{ name: "a", priority: 1, weight: 2 }] } },
    },
  ])("names a value that it does not know in its notes: $said", ({ said, values }) => {
    const [, unknown] = notes(values).split(
      "WARNING: values that this chart does not know, and that have no effect:\n",
    );
    expect(unknown?.trim()).toBe(said);
  });

  it("names values of the peer that have no effect in its notes", () => {
    const epp = { autoscaling: { enabled: true } };
    const proxy = { priorityRouting: { enabled: true }, autoscaling: { enabled: true } };
    const text = notes({ router: { epp, proxy } });
    for (const name of ["epp.autoscaling", "proxy.autoscaling", "proxy.priorityRouting"]) {
      expect(text).toContain(`  router.${name}: `);
    }
  });

  it("gives an Envoy of its own the settings of the overlay", () => {
    const overlay = renderOverlay(kustomize, path.join(overlaysFolder, "standalone-envoy"));
    const [theirs] = overlay.flatMap(bootstrapsOf);
    const [ours] = render({ router: { proxy: { enabled: true } } }).flatMap(bootstrapsOf);
    expect(bootstrapOf(ours)).toEqual(bootstrapOf(theirs));
  });
});

describe("Envoy", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "pointsman-envoy-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    { mode: "service", router: {} },
    { mode: "sidecar", router: {} },
    { mode: "service", router: { epp: { flags: { "secure-serving": false } } } },
    { mode: "service", router: { modelServers: { ...engines, protocol: "grpc" } } },
  ])("takes the bootstrap of the chart: $mode $router", async ({ mode, router }) => {
    const values = { router: { ...router, proxy: { enabled: true, mode } } };
    const [text = ""] = render(values).flatMap(bootstrapsOf);
    const envoy = await envoyPath(say);
    const file = path.join(folder, "envoy.yaml");
    writeFileSync(file, text);
    const argv = ["--mode", "validate", "--disable-hot-restart", "--config-path", file];
    const { status, stderr } = spawnSync(envoy, argv, { encoding: "utf8" });
    expect({ status, stderr }).toMatchObject({ status: 0 });
  });
});

/** The names of Services and the ports of listeners differ, and nothing else. */
function bootstrapOf(text = ""): unknown {
  return parse(
    text
      .replaceAll(/(?:pointsman|llm)-epp-pods/g, "pickers")
      .replaceAll(/model-servers-pods|llm-model-servers/g, "engines")
      .replaceAll(/port_value: (?:8080|8081|19001)\b/g, "port_value: 0"),
  );
}

function notes(values: ChartValues): string {
  return renderNotes(helm, withEngines(values));
}

function render(values: ChartValues): Manifest[] {
  return renderChart(helm, withEngines(values));
}

function withEngines(values: ChartValues): ChartValues {
  // Every variation is an object of objects, with or without a router.
  const { router = {} } = values as { router?: { modelServers?: object } };
  return { ...values, router: { ...router, modelServers: { ...engines, ...router.modelServers } } };
}

function named(objects: readonly Manifest[], kind: string, name: string): Manifest[] {
  return objects.filter((object) => object.kind === kind && object.metadata.name === name);
}

function bootstrapsOf({ data }: Manifest): string[] {
  return data?.["envoy.yaml"] === undefined ? [] : [data["envoy.yaml"]];
}

/** Bindings to accounts or roles that the objects do not have. */
function unboundOf(objects: readonly Manifest[]): string[] {
  const keys = new Set(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`));
  return objects
    .filter(({ kind }) => kind.endsWith("Binding"))
    .flatMap((binding) => {
      // A binding of the API server's own format, which it checks too.
      const { roleRef, subjects } = binding as unknown as {
        roleRef: { kind: string; name: string };
        subjects: { kind: string; name: string; namespace: string }[];
      };
      const strays = subjects.filter(({ namespace }) => namespace !== "default");
      return [roleRef, ...subjects]
        .map(({ kind, name }) => `${kind} ${name}`)
        .filter((key) => !keys.has(key))
        .concat(strays.map(({ name }) => `${name} of another namespace`));
    });
}
