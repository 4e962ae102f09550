import type { RequestFollower } from "../core/request-follower.ts";
import type { FlowInForce } from "../data-plane/admission/admission.ts";
import { FlowControl } from "../data-plane/admission/flow/flow-control.ts";
import type { FlowDeps, FlowRules } from "../data-plane/admission/flow/flow-parts.ts";
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { MetricsRegistry } from "../telemetry/metrics-registry.ts";
import type { Build } from "./build-config.ts";
import { FlowMetrics } from "./flow-metrics.ts";
import type { Pool } from "./pool.ts";
import type { Prepared, Reconfigurable } from "./reconfigurable.ts";

interface LiveFlowDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly registry: MetricsRegistry;
  readonly pool: Pick<Pool, "store" | "snapshot">;
  /** The pool's name in metrics. */
  readonly poolName: string;
  /** Distinct fairness ids that metrics distinguish. */
  readonly fairnessIdsMax: number;
}

/** The queue, which lives across configurations as long as they turn flow control on. */
export class LiveFlow implements Reconfigurable<Pick<Build, "dataPlane">> {
  readonly name = "flow control";
  readonly inForce: FlowInForce = () => this.#inForce;
  /** Requests that wait may be sent as soon as another one begins its answer or ends. */
  readonly follower: RequestFollower = {
    firstToken: () => this.#wake(),
    ended: () => this.#wake(),
  };
  readonly #deps: FlowDeps;
  #inForce: FlowControl | undefined;
  /** Queues that were turned off, with requests that no endpoint could take at that time. */
  #turnedOff: readonly FlowControl[] = [];
  #isDraining = false;

  constructor({ dataPlane }: Pick<Build, "dataPlane">, deps: LiveFlowDeps) {
    const { clock, log, pool } = deps;
    const observer = new FlowMetrics({
      ...deps,
      flow: this.inForce,
      nowMs: () => clock.nowMs(),
      onFailed: (cause) => log.error({ err: cause }, "queue check failed (bug)"),
    });
    this.#deps = { clock, observer, snapshot: pool.snapshot };
    pool.store.onChange(() => this.#wake());
    this.#apply(dataPlane.flow);
  }

  prepare({ dataPlane }: Pick<Build, "dataPlane">): Prepared {
    return { kind: "ready", commit: () => this.#apply(dataPlane.flow) };
  }

  /** From now on, no further request may wait. */
  drain(): void {
    this.#isDraining = true;
    this.#inForce?.drain();
  }

  /** Refuses all that wait; returns their number. */
  stop(): number {
    this.drain();
    const inForce = this.#inForce?.stop() ?? 0;
    return this.#turnedOff.reduce((sum, flow) => sum + flow.stop(), inForce);
  }

  #wake(): void {
    this.#inForce?.wake();
    if (this.#turnedOff.length === 0) return;
    this.#turnedOff = this.#turnedOff.filter(({ size }) => size > 0);
    for (const flow of this.#turnedOff) flow.wake();
  }

  #apply(rules: FlowRules | undefined): void {
    const before = this.#inForce;
    if (rules === undefined) {
      this.#inForce = undefined;
      before?.release();
      if (before !== undefined && before.size > 0) this.#turnedOff = [...this.#turnedOff, before];
    } else if (before === undefined) {
      this.#inForce = new FlowControl(rules, this.#deps);
      if (this.#isDraining) this.#inForce.drain();
    } else before.configure(rules);
  }
}
