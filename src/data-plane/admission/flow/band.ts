import type {
  BandPlan,
  FairnessPolicy,
  FlowPicker,
  OrderingPolicy,
  QueuedRequest,
  WaitingFlow,
} from "../../../core/flow-control.ts";
import { DrainRate } from "./drain-rate.ts";
import { Lineup, type TotalOrder, totalOrderOf } from "./lineup.ts";
import type { Waiting } from "./waiting.ts";

/** A request that waits in a band. */
export type Queued = Waiting<Band>;

/** The policies of a band. */
export interface BandPolicies {
  readonly fairness: FairnessPolicy;
  readonly ordering: OrderingPolicy;
}

/** The order of a band's requests, and the time of its last choice, in monotonic milliseconds. */
interface Moment {
  readonly order: TotalOrder;
  nowMs: number;
}

/** The requests of one flow that may be sent. */
class Flow implements WaitingFlow {
  readonly fairnessId: string;
  readonly lineup: Lineup<Queued>;
  readonly #at: Moment;

  constructor(fairnessId: string, at: Moment) {
    this.fairnessId = fairnessId;
    this.#at = at;
    this.lineup = new Lineup<Queued>(at.order);
  }

  get first(): Queued {
    const first = this.lineup.first(this.#at.nowMs);
    if (first === undefined) throw new Error("a flow without requests has left its band");
    return first;
  }

  get last(): Queued | undefined {
    return this.lineup.last(this.#at.nowMs);
  }

  get size(): number {
    return this.lineup.size;
  }
}

/** The requests of one priority that wait. */
export class Band {
  readonly rate = new DrainRate();
  #plan: BandPlan;
  #at: Moment;
  #picker: FlowPicker | undefined;
  /** Flows with requests that may be sent, by ascending fairness id; one of the name "" if flows do not matter. */
  #flows: Flow[] = [];
  /** Requests that no endpoint of the pool could take. */
  readonly #aside = new Set<Queued>();
  #size = 0;
  #heldBytes = 0;

  constructor(plan: BandPlan, policies: BandPolicies) {
    this.#plan = plan;
    this.#at = { order: totalOrderOf(policies.ordering), nowMs: 0 };
    this.#picker = policies.fairness.pickerOf?.(plan.priority);
  }

  /** True if its order depends on the work of requests. */
  get readsOwnMs(): boolean {
    return this.#at.order.readsOwnMs;
  }

  get plan(): BandPlan {
    return this.#plan;
  }

  get priority(): number {
    return this.#plan.priority;
  }

  /** Requests that wait, those aside too. */
  get size(): number {
    return this.#size;
  }

  get asideCount(): number {
    return this.#aside.size;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Puts other settings and policies in force; requests keep their place where the new order allows it. */
  reconfigure(plan: BandPlan, policies: BandPolicies): void {
    this.#plan = plan;
    this.#at = { order: totalOrderOf(policies.ordering), nowMs: this.#at.nowMs };
    this.#picker = policies.fairness.pickerOf?.(plan.priority);
    const ready = this.#flows.flatMap(({ lineup }) => lineup.items());
    // Each of them was in a heap that is no more.
    for (const request of ready) request.place = -1;
    this.#flows = [];
    for (const request of ready) this.#ready(request);
  }

  add(request: Queued): void {
    this.#size += 1;
    this.#heldBytes += request.heldBytes;
    this.#ready(request);
  }

  /** Counts that a request is sent before those of its flow that came earlier; call it before `remove`. */
  sent(request: Queued): void {
    const fairnessId = this.#picker === undefined ? "" : request.fairnessId;
    const flow = this.#flows[this.#indexOf(fairnessId)];
    if (flow?.fairnessId === fairnessId) flow.lineup.sent(request);
  }

  remove(request: Queued): void {
    if (!this.#aside.delete(request)) this.#unready(request);
    request.isAside = false;
    this.#size -= 1;
    this.#heldBytes -= request.heldBytes;
  }

  /** The request whose turn is next; it stays. */
  next(nowMs: number): Queued | undefined {
    const [only] = this.#flows;
    if (only === undefined) return undefined;
    this.#at.nowMs = nowMs;
    const picked = this.#picker?.pick(this.#flows, nowMs);
    return (picked instanceof Flow ? picked : only).first;
  }

  /** Sets a request aside, until `resume`. */
  setAside(request: Queued): void {
    this.#unready(request);
    request.isAside = true;
    this.#aside.add(request);
  }

  /** Takes a request out of its line until `putBack`; it still counts. */
  passOver(request: Queued): void {
    this.#unready(request);
  }

  putBack(request: Queued): void {
    this.#ready(request);
  }

  /** Puts all requests back that are aside, each at its place. */
  resume(): void {
    for (const request of this.#aside) {
      request.isAside = false;
      this.#ready(request);
    }
    this.#aside.clear();
  }

  /** All requests that wait, in no order. */
  *requests(): Generator<Queued> {
    for (const { lineup } of this.#flows) yield* lineup.items();
    yield* this.#aside;
  }

  /**
   * The request that gives its place to this one, if the band is full: the last one of the longest flow, if that has two
   * more than the flow of this one; without flows the last one, if it comes after this one. Undefined if there is none.
   */
  displacedBy(request: QueuedRequest): Queued | undefined {
    if (this.#picker === undefined) {
      const last = this.#flows[0]?.last;
      return last !== undefined && this.#compare(request, last) < 0 ? last : undefined;
    }
    let longest: Flow | undefined;
    let ownSize = 0;
    for (const flow of this.#flows) {
      if (flow.fairnessId === request.fairnessId) ownSize = flow.size;
      if (longest === undefined || flow.size > longest.size) longest = flow;
    }
    return longest !== undefined && longest.size > ownSize + 1 ? longest.last : undefined;
  }

  /** The request that waits last, to make room for a more important one. */
  get last(): Queued | undefined {
    let last: Queued | undefined;
    for (const request of this.requests()) {
      if (last === undefined || this.#compare(request, last) > 0) last = request;
    }
    return last;
  }

  #ready(request: Queued): void {
    const fairnessId = this.#picker === undefined ? "" : request.fairnessId;
    const index = this.#indexOf(fairnessId);
    let flow = this.#flows[index];
    if (flow?.fairnessId !== fairnessId) {
      flow = new Flow(fairnessId, this.#at);
      this.#flows.splice(index, 0, flow);
    }
    flow.lineup.add(request);
  }

  #unready(request: Queued): void {
    const index = this.#indexOf(this.#picker === undefined ? "" : request.fairnessId);
    const flow = this.#flows[index];
    if (flow === undefined) return;
    flow.lineup.remove(request);
    if (flow.size === 0) this.#flows.splice(index, 1);
  }

  #compare(a: QueuedRequest, b: QueuedRequest): number {
    return this.#at.order.compareAt(a, b, this.#at.nowMs);
  }

  /** The index of a flow, or of the place where it belongs. */
  #indexOf(fairnessId: string): number {
    let from = 0;
    let to = this.#flows.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      const flow = this.#flows[middle];
      if (flow !== undefined && flow.fairnessId < fairnessId) from = middle + 1;
      else to = middle;
    }
    return from;
  }
}
