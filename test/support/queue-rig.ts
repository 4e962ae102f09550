import type { SaturationDetector } from "../../src/core/data-plane-plugin.ts";
import type { Refusal } from "../../src/core/errors.ts";
import type {
  BandPlan,
  FairnessPolicy,
  FlowControlPlan,
  FlowOutcome,
  OrderingPolicy,
  QueueStay,
  UsageLimitPolicy,
} from "../../src/core/flow-control.ts";
import type { Endpoint } from "../../src/core/endpoint.ts";
import { fairnessIdOf } from "../../src/core/fairness-id.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import { FlowControl } from "../../src/data-plane/admission/flow/flow-control.ts";
import type { FlowRules } from "../../src/data-plane/admission/flow/flow-parts.ts";
import type { Turn } from "../../src/data-plane/admission/flow/waiting.ts";
import { edfOrdering } from "../../src/data-plane/admission/ordering/edf.ts";
import { fcfsOrdering } from "../../src/data-plane/admission/ordering/fcfs.ts";
import { boundedResponseRatioOrdering } from "../../src/data-plane/admission/ordering/response-ratio.ts";
import { sloDeadlineOrdering } from "../../src/data-plane/admission/ordering/slo-deadline.ts";
import { aHead, aRequest, endpoints } from "./builders.ts";
import { FakeClock } from "./fake-clock.ts";
import { aSnapshot, aStanding } from "./snapshots.ts";

const aBand: BandPlan = {
  priority: 0,
  requestsMax: 5_000,
  bytesMax: 1e9,
  ttlMs: 60_000,
  guaranteedShare: 0,
  fairness: "strict",
  ordering: "fcfs",
};

/** A plan with these bands, and that of priority 0; fields left out are the peer's defaults. */
export function aFlowPlan(
  parts: Partial<Omit<FlowControlPlan, "bands">> & { bands?: readonly Partial<BandPlan>[] } = {},
): FlowControlPlan {
  const { bands: given = [], ...rest } = parts;
  const bands = given.map((band) => Object.assign({}, aBand, band));
  const hasZero = bands.some(({ priority }) => priority === 0);
  return {
    requestsMax: Number.POSITIVE_INFINITY,
    bytesMax: Number.POSITIVE_INFINITY,
    noEndpointTtlMs: 60_000,
    otherBands: aBand,
    otherNegativeBands: aBand,
    usageLimit: "static",
    evicts: false,
    ...rest,
    bands: (hasZero ? bands : [...bands, aBand]).toSorted((a, b) => b.priority - a.priority),
  };
}

interface RigParts {
  readonly plan?: FlowControlPlan;
  readonly fairness?: Readonly<Record<string, FairnessPolicy>>;
  readonly usageLimit?: UsageLimitPolicy;
  readonly priorities?: () => readonly number[];
  readonly detector?: SaturationDetector;
}

interface SentParts extends Partial<InferenceRequest> {
  readonly flow?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** True if it was sent before, and reached no endpoint. */
  readonly isReturned?: boolean;
  /** True if an endpoint can take it; by default always. */
  readonly isPlaced?: () => boolean;
}

/** What happened to a request. */
export interface Sent {
  readonly name: string;
  outcome: "waits" | "sent" | Refusal;
  stay: QueueStay | undefined;
  leave: () => void;
}

const ordering: Readonly<Record<string, OrderingPolicy>> = {
  fcfs: built(fcfsOrdering),
  edf: built(edfOrdering),
  slo: built(sloDeadlineOrdering),
  bounded: boundedResponseRatioOrdering.create({ passesMax: 2 }, undefined as never),
};

function built(plugin: typeof fcfsOrdering): OrderingPolicy {
  // The policies use none of the dependencies.
  return plugin.create({}, undefined as never);
}

/** A queue in virtual time over a pool whose saturation a test sets; by default it takes `capacity` requests. */
export class QueueRig {
  readonly clock = new FakeClock();
  readonly outcomes: [name: string, outcome: FlowOutcome][] = [];
  readonly sent: string[] = [];
  readonly failures: unknown[] = [];
  pool: readonly Endpoint[] = endpoints(2);
  /** Requests that the pool can run at a time. */
  capacity = 1;
  running = 0;
  /** True while connections to all endpoints fail. */
  isCutOff = false;
  arrivedCount = 0;
  readonly flow: FlowControl;
  readonly #parts: RigParts;
  readonly #names = new Map<InferenceRequest, string>();

  constructor(parts: RigParts = {}) {
    this.#parts = parts;
    this.flow = new FlowControl(this.rulesOf(parts.plan ?? aFlowPlan()), {
      clock: this.clock,
      snapshot: () => this.#snapshot(),
      observer: {
        passed: (request) => this.#ended(request, "Dispatched"),
        entered: () => undefined,
        left: ({ request }, _, { outcome }) => this.#ended(request, outcome),
        evictionIssued: () => undefined,
        evictionEnded: () => undefined,
        checked: () => undefined,
        failed: (cause) => void this.failures.push(cause),
      },
    });
  }

  rulesOf(plan: FlowControlPlan): FlowRules {
    const { fairness = {}, usageLimit, priorities, detector } = this.#parts;
    return {
      plan,
      detector: detector ?? {
        saturation: (pool) => (pool.length === 0 ? 1 : this.running / this.capacity),
      },
      usageLimit: usageLimit ?? { limit: () => undefined },
      priorities: priorities ?? (() => none),
      fairnessIdOf,
      askedTtlMsOf: ({ head }) => Number(head.headers.get("ttl-ms") ?? Number.POSITIVE_INFINITY),
      policiesOf: (band) => ({
        fairness: fairness[band.fairness] ?? {},
        ordering: ordering[band.ordering] ?? { compare: () => 0 },
      }),
    };
  }

  /** A request arrives. */
  send(
    name: string,
    { flow, headers = {}, isReturned = false, isPlaced = () => true, ...parts }: SentParts = {},
  ): Sent {
    const own = flow === undefined ? {} : { "x-llm-d-inference-fairness-id": flow };
    const head = aHead({ headers: new Map(Object.entries({ ...headers, ...own })) });
    const request = aRequest({ head, ...parts });
    this.#names.set(request, name);
    this.arrivedCount += 1;
    const sent: Sent = { name, outcome: "waits", stay: undefined, leave: () => undefined };
    const start = () => {
      if (!isPlaced()) return false;
      this.running += 1;
      this.sent.push(name);
      sent.outcome = "sent";
      return true;
    };
    const asked = {
      request,
      pool: this.#snapshot(),
      receivedMs: this.clock.nowMs(),
      isReturned,
      waiter: () => ({
        waits: (leave: () => void) => void (sent.leave = leave),
        turn: (_: unknown, { stay }: Turn) => {
          if (!start()) return "unplaced" as const;
          sent.stay = stay;
          return undefined;
        },
        ownMs: () => Number.NaN,
        refuse: (refusal: Refusal, stay: QueueStay) => {
          sent.outcome = refusal;
          sent.stay = stay;
        },
      }),
    };
    const answer = this.flow.admit(asked);
    if (answer === undefined) {
      if (start()) this.flow.passed(asked);
      else this.#held(sent, this.flow.hold(asked, "unplaced"));
    } else this.#held(sent, answer);
    return sent;
  }

  /** Running requests end. */
  async end(count = 1): Promise<void> {
    this.running -= count;
    this.flow.wake();
    await this.clock.advance(0);
  }

  async setPool(pool: readonly Endpoint[]): Promise<void> {
    this.pool = pool;
    this.flow.wake();
    await this.clock.advance(0);
  }

  #held(sent: Sent, answer: Refusal | "waits"): void {
    // A turn may have come while it entered.
    if (answer !== "waits") sent.outcome = answer;
  }

  #ended(request: InferenceRequest, outcome: FlowOutcome): void {
    this.outcomes.push([this.#names.get(request) ?? "", outcome]);
  }

  #snapshot() {
    const standing = aStanding({}, this.isCutOff);
    return aSnapshot({ endpoints: this.pool, standing, nowMs: this.clock.nowMs() });
  }
}

const none: readonly number[] = [];
