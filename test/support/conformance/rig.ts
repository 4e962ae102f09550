import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  type ConformanceBinaries,
  findConformanceSuite,
} from "../../components/conformance-suite.ts";
import { crdFiles } from "../../components/crds.ts";
import type { Child } from "../child.ts";
import { type ControlPlane, startControlPlane } from "../kube/control-plane.ts";
import { startControllerManager } from "../kube/controller-manager.ts";
import { GatewayController } from "./gateway-controller.ts";
import { Kubelet } from "./kubelet.ts";
import { NodeNetwork } from "./node-network.ts";
import { Probes } from "./probes.ts";
import { programsOf } from "./programs.ts";
import { controllerName } from "./statuses.ts";
import { runSuite, type SuiteRun } from "./suite.ts";
import { envoyPath } from "../../components/envoy.ts";

const nodeName = "node";
const gatewayClass = "pointsman-test";

/** Those that a Deployment, a Service, a namespace and an owner need. */
const controllers = [
  ...["deployment-controller", "replicaset-controller", "endpointslice-controller"],
  ...["serviceaccount-controller", "namespace-controller", "garbage-collector-controller"],
];

/** The suite pins requests to endpoints, and asks who served. */
const pickerDocument = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
  - type: header-based-testing-filter
  - type: destination-endpoint-served-verifier
`;

type Progress = (line: string) => void;

/** A cluster with a gateway, for the suite to run against. */
export class ConformanceRig {
  readonly #binaries: ConformanceBinaries;
  readonly #network = new NodeNetwork();
  readonly #stop = new AbortController();
  readonly #log: string[] = [];
  #folder = "";
  #plane: ControlPlane | undefined;
  #controllerManager: Child | undefined;
  #probes: Probes | undefined;
  #kubelet: Kubelet | undefined;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(binaries: ConformanceBinaries) {
    this.#binaries = binaries;
  }

  static async start(progress: Progress): Promise<ConformanceRig> {
    const rig = new ConformanceRig(await findConformanceSuite(progress));
    try {
      await rig.#start(progress);
      return rig;
    } catch (cause) {
      await rig.close();
      throw cause;
    }
  }

  /** Runs the suite; `flags` are more of its own, after those that name the gateway and the report. */
  async run(flags: readonly string[], progress: Progress): Promise<SuiteRun> {
    const plane = this.#planeOf();
    const reportFile = path.join(this.#folder, "report.yaml");
    return runSuite(
      {
        line: this.#network.node.command([
          ...[this.#binaries.suite, "-test.v", "-test.timeout=1h"],
          ...["-gateway-class", gatewayClass, "-report-output", reportFile, ...ours(), ...flags],
        ]),
        env: { KUBECONFIG: await plane.kubeconfigFor(plane.adminToken) },
        reportFile,
        signal: this.#stop.signal,
      },
      progress,
    );
  }

  /** What all parts of the rig printed, to find out why a test failed. */
  log(): string {
    return [
      ...this.#log,
      `== controller manager\n${this.#controllerManager?.output() ?? ""}`,
      this.#kubelet?.output() ?? "",
    ].join("\n");
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#controllerManager?.close();
    await this.#probes?.close();
    await this.#plane?.close();
    this.#network.close();
    if (this.#folder !== "") await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(progress: Progress): Promise<void> {
    const envoy = await envoyPath(progress);
    const crds = await crdFiles(progress);
    this.#folder = await mkdtemp(path.join(tmpdir(), "pointsman-conformance-"));
    const { node } = this.#network;
    const plane = (this.#plane = await startControlPlane({ namespace: node }));
    this.#probes = await Probes.start(node);
    this.#controllerManager = await startControllerManager(plane, node, controllers);
    await plane.client.applyCrds([...crds.gatewayApi, ...crds.inferencePool]);
    await applyClusterObjects(plane);

    const pickerConfigFile = path.join(this.#folder, "picker.yaml");
    await writeFile(pickerConfigFile, pickerDocument);
    const log = (line: string) => void this.#log.push(line);
    const { client } = plane;
    this.#kubelet = new Kubelet({
      ...{ client, network: this.#network, nodeName, log, probes: this.#probes },
      programs: programsOf({
        ...{ plane, echo: this.#binaries.echo, envoy, pickerConfigFile },
      }),
    });
    const gateways = new GatewayController({ client, gatewayClass, folder: this.#folder, log });
    const { signal } = this.#stop;
    this.#running = Promise.all([this.#kubelet.run(signal), gateways.run(signal)]);
  }

  #planeOf(): ControlPlane {
    if (this.#plane === undefined) throw new Error("a rig that has started has a control plane");
    return this.#plane;
  }
}

async function applyClusterObjects({ client }: ControlPlane): Promise<void> {
  await client.apply({ apiVersion: "v1", kind: "Node", metadata: { name: nodeName } });
  await client.apply({
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name: gatewayClass },
    spec: { controllerName },
    status: {
      conditions: [
        {
          ...{ type: "Accepted", status: "True", reason: "Accepted", message: "" },
          ...{ observedGeneration: 1, lastTransitionTime: new Date().toISOString() },
        },
      ],
    },
  });
}

/** What the report says of the picker under test. */
function ours(): readonly string[] {
  // The file is the repository's own.
  const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
  return ["-organization", "pointsman", "-project", "pointsman", "-version", `v${version}`];
}
