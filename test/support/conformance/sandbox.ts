import { once } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { type Child, start } from "../child.ts";
import type { KubeClient } from "../kube/client.ts";
import { eventually } from "../wait.ts";
import type { Pod } from "./kinds.ts";
import type { NodeNetwork, PodNetwork } from "./node-network.ts";
import type { Probes } from "./probes.ts";
import type { Programs } from "./programs.ts";

/** Milliseconds between two probes of a pod that is not ready yet. */
const firstProbesMs = 100;

export interface SandboxDeps {
  readonly client: KubeClient;
  readonly network: NodeNetwork;
  readonly nodeName: string;
  readonly probes: Probes;
  readonly programs: Programs;
  readonly log: (line: string) => void;
}

/** What runs for one pod: its network, a process for each container, and its readiness. */
export class Sandbox {
  readonly #pod: Pod;
  readonly #deps: SandboxDeps;
  readonly #stop = new AbortController();
  readonly #children: Child[] = [];
  readonly #ended: Promise<void>;

  /** Starts it. */
  constructor(pod: Pod, deps: SandboxDeps) {
    this.#pod = pod;
    this.#deps = deps;
    this.#ended = this.#runIn(deps.network.openPod());
  }

  /** Resolves when nothing of it runs any more. */
  close(): Promise<void> {
    this.#stop.abort();
    return this.#ended;
  }

  /** What its containers printed. */
  output(): string {
    const { name } = this.#pod.metadata;
    return this.#children.map((child) => `== pod ${name}\n${child.output()}`).join("\n");
  }

  async #runIn(network: PodNetwork): Promise<void> {
    try {
      await this.#run(network);
    } catch (cause) {
      const { name } = this.#pod.metadata;
      if (!this.#stop.signal.aborted) this.#deps.log(`pod ${name}: ${String(cause)}`);
    }
    // What ended of itself stays to be looked at until the pod is gone.
    await this.#stopped();
    await Promise.all(this.#children.map((child) => child.close()));
    network.close();
  }

  async #stopped(): Promise<void> {
    const { signal } = this.#stop;
    if (!signal.aborted) await once(signal, "abort");
  }

  async #run(network: PodNetwork): Promise<void> {
    const { signal } = this.#stop;
    await this.#bind();
    // Its account is made by a controller, after its namespace.
    const commands = await eventually(`programs of ${this.#pod.metadata.name}`, () =>
      Promise.all(
        this.#pod.spec.containers.map((container) =>
          this.#deps.programs(this.#pod, container, network),
        ),
      ),
    );
    if (signal.aborted) return;
    for (const { line, env } of commands) {
      const [program = "", ...argv] = line;
      this.#children.push(start(program, argv, env));
    }
    await this.#keepStatus(network.address);
  }

  async #bind(): Promise<void> {
    const { metadata, spec } = this.#pod;
    if (spec.nodeName !== undefined) return;
    const { name, namespace } = metadata;
    await this.#deps.client.create({
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace },
      target: { apiVersion: "v1", kind: "Node", name: this.#deps.nodeName },
    });
  }

  async #keepStatus(address: string): Promise<void> {
    const { signal } = this.#stop;
    const { containers } = this.#pod.spec;
    const periods = containers.map(({ readinessProbe }) => readinessProbe?.periodSeconds ?? 10);
    const periodMs = Math.min(...periods) * 1_000;
    let known: boolean | undefined;
    while (!signal.aborted) {
      const answers = await Promise.all(
        containers.map((container) => this.#deps.probes.isReady(address, container.readinessProbe)),
      );
      const ready = answers.every(Boolean);
      if (ready !== known) await this.#write(address, ready);
      known = ready;
      await wait(ready ? periodMs : firstProbesMs, undefined, { signal });
    }
  }

  async #write(address: string, isReady: boolean): Promise<void> {
    const { name, namespace } = this.#pod.metadata;
    const lastTransitionTime = new Date().toISOString();
    const conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map((type) => ({
      type,
      status: isReady || !type.endsWith("Ready") ? "True" : "False",
      lastTransitionTime,
    }));
    const status = { phase: "Running", podIP: address, podIPs: [{ ip: address }], conditions };
    const ref = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } };
    await this.#deps.client.patch(ref, { status }, "status");
  }
}
