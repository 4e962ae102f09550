import type {
  BandPlan,
  FairnessPolicy,
  FlowPicker,
  OrderingPolicy,
  QueuedRequest,
  WaitingFlow,
} from "../../../core/flow-control.ts";
import { DrainRate } from "./drain-rate.ts";
import { Heap } from "./heap.ts";
import type { Waiting } from "./waiting.ts";

/** A request that waits in a band. */
export type Queued = Waiting<Band>;

/** The policies of a band. */
export interface BandPolicies {
  readonly fairness: FairnessPolicy;
  readonly ordering: OrderingPolicy;
}

/** The requests of one flow that may be sent. */
class Flow implements WaitingFlow {
  readonly fairnessId: string;
  readonly heap: Heap<Queued>;

  constructor(fairnessId: string, compare: Compare) {
    this.fairnessId = fairnessId;
    this.heap = new Heap<Queued>(compare);
  }

  get first(): QueuedRequest {
    const { first } = this.heap;
    if (first === undefined) throw new Error("a flow without requests has left its band");
    return first;
  }

  get size(): number {
    return this.heap.size;
  }
}

type Compare = (a: QueuedRequest, b: QueuedRequest) => number;

/** The requests of one priority that wait. */
export class Band {
  readonly rate = new DrainRate();
  #plan: BandPlan;
  #compare: Compare;
  #picker: FlowPicker | undefined;
  /** Flows with requests that may be sent, by ascending fairness id; one of the name "" if flows do not matter. */
  #flows: Flow[] = [];
  /** Requests that no endpoint of the pool could take. */
  readonly #aside = new Set<Queued>();
  #size = 0;
  #heldBytes = 0;

  constructor(plan: BandPlan, policies: BandPolicies) {
    this.#plan = plan;
    this.#compare = totalOrderOf(policies.ordering);
    this.#picker = policies.fairness.pickerOf?.(plan.priority);
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

  /** True if a request may be sent. */
  get hasNext(): boolean {
    return this.#flows.length > 0;
  }

  /** Puts other settings and policies in force; requests keep their place where the new order allows it. */
  reconfigure(plan: BandPlan, policies: BandPolicies): void {
    this.#plan = plan;
    this.#compare = totalOrderOf(policies.ordering);
    this.#picker = policies.fairness.pickerOf?.(plan.priority);
    const ready = this.#flows.flatMap(({ heap }) => heap.items);
    this.#flows = [];
    for (const request of ready) this.#ready(request);
  }

  add(request: Queued): void {
    this.#size += 1;
    this.#heldBytes += request.heldBytes;
    this.#ready(request);
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
    const picked = this.#picker?.pick(this.#flows, nowMs);
    return (picked instanceof Flow ? picked : only).heap.first;
  }

  /** Sets a request aside, until `resume`. */
  setAside(request: Queued): void {
    this.#unready(request);
    request.isAside = true;
    this.#aside.add(request);
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
    for (const { heap } of this.#flows) yield* heap.items;
    yield* this.#aside;
  }

  /**
   * The request that gives its place to this one, if the band is full: the last one of the longest flow, if that has two
   * more than the flow of this one; without flows the last one, if it comes after this one. Undefined if there is none.
   */
  displacedBy(request: QueuedRequest): Queued | undefined {
    if (this.#picker === undefined) {
      const last = this.#flows[0]?.heap.last;
      return last !== undefined && this.#compare(request, last) < 0 ? last : undefined;
    }
    let longest: Flow | undefined;
    let ownSize = 0;
    for (const flow of this.#flows) {
      if (flow.fairnessId === request.fairnessId) ownSize = flow.size;
      if (longest === undefined || flow.size > longest.size) longest = flow;
    }
    return longest !== undefined && longest.size > ownSize + 1 ? longest.heap.last : undefined;
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
      flow = new Flow(fairnessId, this.#compare);
      this.#flows.splice(index, 0, flow);
    }
    flow.heap.add(request);
  }

  #unready(request: Queued): void {
    const index = this.#indexOf(this.#picker === undefined ? "" : request.fairnessId);
    const flow = this.#flows[index];
    if (flow === undefined) return;
    flow.heap.remove(request);
    if (flow.size === 0) this.#flows.splice(index, 1);
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

function totalOrderOf(ordering: OrderingPolicy): Compare {
  return (a, b) => ordering.compare(a, b) || a.sequence - b.sequence;
}
