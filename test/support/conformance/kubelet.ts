import { Mirror } from "./mirror.ts";
import type { Pod } from "./kinds.ts";
import { Sandbox, type SandboxDeps } from "./sandbox.ts";

/** Runs every pod of the cluster on the one node there is, as a scheduler and a kubelet would. */
export class Kubelet {
  readonly #deps: SandboxDeps;
  readonly #pods: Mirror<Pod>;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #endings = new Set<Promise<void>>();
  /** Those that have ended too, for what they printed. */
  readonly #started: Sandbox[] = [];
  #isStopped = false;

  constructor(deps: SandboxDeps) {
    this.#deps = deps;
    const { client, log } = deps;
    const ref = { apiVersion: "v1", kind: "Pod" };
    this.#pods = new Mirror<Pod>({ client, ref, log, onChange: () => this.#look() });
  }

  /** Resolves when the signal has aborted and no pod runs any more. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pods.run(signal);
    this.#isStopped = true;
    await Promise.all([...this.#sandboxes.values()].map((sandbox) => sandbox.close()));
    await Promise.all(this.#endings);
  }

  /** What all pods printed, in the order of their start. */
  output(): string {
    return this.#started.map((sandbox) => sandbox.output()).join("\n");
  }

  #look(): void {
    if (this.#isStopped) return;
    const pods = new Map(this.#pods.items().map((pod) => [pod.metadata.uid, pod]));
    for (const uid of this.#sandboxes.keys()) if (!pods.has(uid)) this.#end(uid);
    for (const [uid, pod] of pods) {
      const isEnding = pod.metadata.deletionTimestamp !== undefined;
      if (isEnding) this.#end(uid, pod);
      else if (!this.#sandboxes.has(uid)) this.#start(uid, pod);
    }
  }

  #start(uid: string, pod: Pod): void {
    const sandbox = new Sandbox(pod, this.#deps);
    this.#started.push(sandbox);
    this.#sandboxes.set(uid, sandbox);
  }

  #end(uid: string, pod?: Pod): void {
    const sandbox = this.#sandboxes.get(uid);
    if (sandbox === undefined) return;
    this.#sandboxes.delete(uid);
    const ending = this.#ended(sandbox, pod).catch((cause: unknown) => {
      this.#deps.log(`end of a pod: ${String(cause)}`);
    });
    this.#endings.add(ending);
    void ending.then(() => this.#endings.delete(ending));
  }

  async #ended(sandbox: Sandbox, pod: Pod | undefined): Promise<void> {
    await sandbox.close();
    if (pod === undefined) return;
    const { name, namespace } = pod.metadata;
    await this.#deps.client.delete(
      { apiVersion: "v1", kind: "Pod", metadata: { name, namespace } },
      0,
    );
  }
}
