import type { RequestFollower } from "../core/request-follower.ts";
import {
  FlowControl,
  type FlowDeps,
  type FlowRules,
} from "../data-plane/admission/flow/flow-control.ts";
import type { Build } from "./build-config.ts";
import type { Prepared, Reconfigurable } from "./reconfigurable.ts";

/** The queue, which lives across configurations as long as they turn flow control on. */
export class LiveFlow implements Reconfigurable<Pick<Build, "dataPlane">> {
  readonly name = "flow control";
  /** Requests that wait may be sent as soon as another one begins its answer or ends. */
  readonly follower: RequestFollower = {
    firstToken: () => this.#inForce?.wake(),
    ended: () => this.#inForce?.wake(),
  };
  readonly #deps: FlowDeps;
  #inForce: FlowControl | undefined;
  #isDraining = false;

  constructor({ dataPlane }: Pick<Build, "dataPlane">, deps: FlowDeps) {
    this.#deps = deps;
    this.#apply(dataPlane.flow);
  }

  /** Undefined while flow control is off. */
  get inForce(): FlowControl | undefined {
    return this.#inForce;
  }

  prepare({ dataPlane }: Pick<Build, "dataPlane">): Prepared {
    return { kind: "ready", commit: () => this.#apply(dataPlane.flow) };
  }

  /** From now on, no further request may wait. */
  drain(): void {
    this.#isDraining = true;
    this.#inForce?.drain();
  }

  /** Refuses all that wait. */
  stop(): void {
    this.drain();
    this.#inForce?.stop();
  }

  #apply(rules: FlowRules | undefined): void {
    const before = this.#inForce;
    if (rules === undefined) {
      this.#inForce = undefined;
      before?.release();
    } else if (before === undefined) {
      this.#inForce = new FlowControl(rules, this.#deps);
      if (this.#isDraining) this.#inForce.drain();
    } else before.configure(rules);
  }
}
