import type { HoldRule } from "../../src/core/data-plane-plugin.ts";
import type { FlowOutcome, OrderingPolicy, QueueStay } from "../../src/core/flow-control.ts";
import { FlowControl } from "../../src/data-plane/admission/flow/flow-control.ts";
import type { Turn, Unsent } from "../../src/data-plane/admission/flow/waiting.ts";
import { responseRatioOrdering } from "../../src/data-plane/admission/ordering/response-ratio.ts";
import { aRequest, endpoints } from "./builders.ts";
import { FakeClock } from "./fake-clock.ts";
import { pluginDeps } from "./plugin-deps.ts";
import { aFlowPlan } from "./queue-rig.ts";
import { aSnapshot } from "./snapshots.ts";

interface HeldParts {
  readonly engines: number;
  /** The longest wait in an engine. */
  readonly limitMs: number;
}

interface SentParts {
  /** The only engine that it may go to. */
  readonly only?: number | undefined;
}

/** A request and its fate. */
interface HeldSent {
  readonly ownMs: number;
  readonly only: number | undefined;
  outcome: "waits" | "sent" | "refused" | "left";
  engine: number | undefined;
  stay: QueueStay | undefined;
  leave: () => void;
}

/** The queue in virtual time over engines that compute one prompt after another, each request where it waits least. */
export class HeldRig {
  readonly clock = new FakeClock();
  readonly order: number[] = [];
  readonly failures: unknown[] = [];
  readonly flow: FlowControl;
  arrived = 0;
  ended = 0;
  longestWaitMs = 0;
  /** Milliseconds of work that count while others are looked at. */
  supposed = 0;
  readonly #limitMs: number;
  /** When each engine is free. */
  readonly #freeMs: number[];
  readonly #supposedMs: number[];
  readonly #waiting = new Set<HeldSent>();

  constructor({ engines, limitMs }: HeldParts) {
    this.#limitMs = limitMs;
    this.#freeMs = Array.from({ length: engines }, () => 0);
    this.#supposedMs = Array.from({ length: engines }, () => 0);
    const ordering: OrderingPolicy = responseRatioOrdering.create({}, pluginDeps({}));
    this.flow = new FlowControl(
      {
        plan: aFlowPlan(),
        detector: {
          saturation: () => Math.min(...this.#waitsMs()) / this.#limitMs,
          // The rig's waiters decide by themselves; the queue only asks if there is a rule.
          hold: noRule,
        },
        usageLimit: { limit: () => undefined },
        priorities: () => none,
        fairnessIdOf: () => "",
        askedTtlMsOf: () => Number.POSITIVE_INFINITY,
        policiesOf: () => ({ fairness: {}, ordering }),
      },
      {
        clock: this.clock,
        snapshot: () => this.#snapshot(),
        observer: {
          passed: () => this.#over("Dispatched", 0),
          entered: () => undefined,
          left: (_, __, { outcome, waitedMs }) => this.#over(outcome, waitedMs),
          evictionIssued: () => undefined,
          evictionEnded: () => undefined,
          checked: () => undefined,
          failed: (cause) => void this.failures.push(cause),
        },
      },
    );
  }

  send(ownMs: number, { only }: SentParts = {}): HeldSent {
    const request = aRequest();
    const sent: HeldSent = {
      ownMs,
      only,
      outcome: "waits",
      engine: undefined,
      stay: undefined,
      leave: () => undefined,
    };
    this.arrived += 1;
    const asked = {
      request,
      pool: this.#snapshot(),
      receivedMs: this.clock.nowMs(),
      waiter: () => ({
        waits: (leave: () => void) => {
          this.#waiting.add(sent);
          sent.leave = () => {
            if (sent.outcome !== "waits") return;
            sent.outcome = "left";
            this.#waiting.delete(sent);
            leave();
          };
        },
        turn: (_: unknown, { stay, heldFrom }: Turn) => {
          const unsent = this.#start(sent, heldFrom);
          if (unsent === undefined) sent.stay = stay;
          return unsent;
        },
        ownMs: () => ownMs,
        refuse: () => void (sent.outcome = "refused"),
      }),
    };
    const answer = this.flow.admit(asked);
    if (answer !== undefined) return sent;
    const unsent = this.#start(sent, this.flow.heldFrom(request));
    if (unsent === undefined) this.flow.passed(asked);
    else this.flow.hold(asked, unsent);
    return sent;
  }

  /** Requests that wait in the picker although the only engine for them is idle. */
  get neglected(): number {
    const waits = this.#waitsMs();
    return [...this.#waiting].filter(({ only }) => only !== undefined && waits[only] === 0).length;
  }

  #waitsMs(): number[] {
    const nowMs = this.clock.nowMs();
    return this.#freeMs.map(
      (freeMs, engine) => Math.max(0, freeMs - nowMs) + (this.#supposedMs[engine] ?? 0),
    );
  }

  #start(sent: HeldSent, heldFrom = Number.POSITIVE_INFINITY): Unsent | undefined {
    const waits = this.#waitsMs();
    const engine = sent.only ?? waits.indexOf(Math.min(...waits));
    const fullness = (waits[engine] ?? 0) / this.#limitMs;
    if (fullness >= heldFrom) return { fullness, suppose: () => this.#suppose(engine, sent.ownMs) };
    const freeMs = Math.max(this.#freeMs[engine] ?? 0, this.clock.nowMs()) + sent.ownMs;
    this.#freeMs[engine] = freeMs;
    this.#waiting.delete(sent);
    sent.outcome = "sent";
    sent.engine = engine;
    this.order.push(sent.ownMs);
    this.clock.after(freeMs - this.clock.nowMs(), () => this.flow.wake());
    return undefined;
  }

  #suppose(engine: number, ms: number): () => void {
    const change = (by: number) => {
      this.#supposedMs[engine] = (this.#supposedMs[engine] ?? 0) + by;
      this.supposed += by;
    };
    change(ms);
    return () => change(-ms);
  }

  #over(_outcome: FlowOutcome, waitedMs: number): void {
    this.ended += 1;
    this.longestWaitMs = Math.max(this.longestWaitMs, waitedMs);
  }

  #snapshot() {
    const { length } = this.#freeMs;
    return aSnapshot({ endpoints: endpoints(length), nowMs: this.clock.nowMs() });
  }
}

const none: readonly number[] = [];

const noRule: HoldRule = {
  ownMs: () => Number.NaN,
  fullness: () => 0,
  suppose: () => () => undefined,
};
