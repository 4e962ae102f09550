import { Backoff } from "../../std/backoff.ts";
import { type KubeApi, KubeError, type KubeObject } from "../kubernetes/kube-api.ts";
import { type FollowedKind, Reflector, type ReflectorDeps } from "../kubernetes/reflector.ts";
import { reasonOf } from "../../std/reason-of.ts";
import { HolderWatch } from "./holder-watch.ts";
import {
  heldLease,
  type Lease,
  leaseOf,
  newLease,
  releasedLease,
  type Signature,
} from "./lease.ts";

/** Interval of the holder's renewals, and of a standby's reads. */
const intervalMs = 2_000;
/** Time limit of a request, so that several fit into one lease duration. */
const answerMsMax = 3_000;
const pauseMs = { firstMs: 250, maxMs: 2_000 };
/** Tries to release: other clients may write the Lease too. */
const releaseTriesMax = 3;

export interface ElectionOptions {
  readonly namespace: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Identifies this replica; globally unique across replicas and restarts. */
  readonly identity: string;
}

export interface ElectionDeps extends ReflectorDeps {
  /** Called when this replica starts to lead, and when it has seen that another one does. */
  readonly onLeading: (isLeading: boolean) => void;
}

/**
 * Elects one leader of several replicas by a Lease of the API server.
 *
 * A replica leads from the answer that shows it as the holder until an answer shows another holder.
 * While the API server cannot be reached, the leader stays leader: no other replica can take the
 * Lease either. Only requests read the Lease, one after the other; a watch only triggers a read.
 */
export class LeaseElection {
  readonly #options: ElectionOptions;
  readonly #deps: ElectionDeps;
  readonly #collection: string;
  readonly #followed: Reflector<Lease>;
  readonly #holder = new HolderWatch();
  readonly #backoff: Backoff;
  readonly #stop = new AbortController();
  #lease: Lease | undefined;
  /** A released Lease that the watch has reported. */
  #free: Lease | undefined;
  #isLeading = false;
  /** True while a write was sent and its answer has not been seen. */
  #isUnsure = false;
  #problem: string | undefined;
  #request: AbortController | undefined;
  #isWoken = false;
  #wake: () => void = () => undefined;

  constructor(options: ElectionOptions, deps: ElectionDeps) {
    const { namespace, name } = options;
    this.#options = options;
    this.#deps = deps;
    this.#backoff = new Backoff(pauseMs, deps.random);
    this.#collection = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
    this.#followed = new Reflector(
      {
        what: `Lease ${namespace}/${name}`,
        path: this.#collection,
        fieldSelector: `metadata.name=${name}`,
        keep: leaseOf,
        onChange: () => this.#changed(),
      },
      deps,
    );
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Status of the followed Lease, for people. */
  get status(): FollowedKind {
    return this.#followed.status;
  }

  get leaseName(): string {
    return this.#options.name;
  }

  /** The reason why this replica cannot take part now; undefined if it can. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Releases the Lease as soon as possible and never takes it again; `run` continues until that is
   * done.
   */
  resign(): void {
    this.#stop.abort();
    this.#request?.abort();
    this.#wakeUp();
  }

  /** Takes part until `signal` aborts, then releases. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const resign = () => this.resign();
    signal.addEventListener("abort", resign, { once: true });
    if (signal.aborted) this.resign();
    const { signal: stop } = this.#stop;
    let followed: Promise<void> | undefined;
    while (!stop.aborted) {
      // Each turn depends on the result of the one before.
      const waitMs = await this.#turn().catch((cause: unknown) => this.#failed(cause));
      // Only after the first answer, so that a missing right to read the Lease is reported once.
      if (this.#problem === undefined) followed ??= this.#followed.run(stop);
      await this.#pause(waitMs);
    }
    signal.removeEventListener("abort", resign);
    await this.#release().catch((cause: unknown) => {
      this.#deps.log.warn({ ...this.#named, reason: reasonOf(cause) }, "lease not released");
    });
    this.#isLeading = false;
    await followed;
  }

  /** Renews or reads the Lease once. Returns the milliseconds until the next turn. */
  async #turn(): Promise<number> {
    const isSettled = await this.#step();
    this.#answered();
    if (!isSettled) return this.#backoff.next();
    this.#backoff.reset();
    if (this.#isLeading) return intervalMs;
    return Math.max(1, Math.min(intervalMs, this.#holder.remainingMs(this.#deps.clock.nowMs())));
  }

  /** Returns true if the holder of the Lease is known. */
  async #step(): Promise<boolean> {
    const known = this.#isLeading ? this.#lease : this.#free;
    this.#free = undefined;
    if (known !== undefined && (await this.#hold(known))) return true;
    if (this.#stop.signal.aborted) return false;
    const lease = await this.#look();
    if (this.#stop.signal.aborted) return false;
    if (lease === undefined) return this.#create();
    const { holderIdentity } = lease.record;
    const isOurs = holderIdentity === "" || holderIdentity === this.#options.identity;
    return isOurs || this.#holder.isExpired ? this.#hold(lease) : true;
  }

  /** The current Lease; undefined if there is none. */
  async #look(): Promise<Lease | undefined> {
    try {
      return await this.#ask((api, signal) => api.get(this.#path, {}, signal));
    } catch (cause) {
      if (statusOf(cause) === 404) return undefined;
      throw cause;
    }
  }

  /** Renews or takes the Lease; false if it has changed since it was read. */
  #hold(lease: Lease): Promise<boolean> {
    return this.#write((api, signal) =>
      api.replace({ path: this.#path, body: heldLease(lease, this.#signature) }, signal),
    );
  }

  /** Creates the Lease; false if another replica has just created it. */
  #create(): Promise<boolean> {
    const body = newLease(this.#options, this.#signature);
    return this.#write(
      (api, signal) => api.create({ path: this.#collection, body }, signal),
      [409],
    );
  }

  async #write(request: Request, conflicts = [409, 404]): Promise<boolean> {
    this.#isUnsure = true;
    try {
      await this.#ask(request);
      return true;
    } catch (cause) {
      if (conflicts.includes(statusOf(cause))) return false;
      throw cause;
    }
  }

  /** Sends a request, and updates the state from the Lease in the answer. */
  async #ask(request: Request): Promise<Lease> {
    const { api, clock } = this.#deps;
    const askedAtMs = clock.nowMs();
    const limit = new AbortController();
    this.#request = limit;
    const cancel = clock.after(answerMsMax, () =>
      limit.abort(new KubeError(0, "", `no answer within ${answerMsMax / 1_000} s`)),
    );
    try {
      const lease = leaseOf(await request(api, limit.signal));
      this.#isUnsure = false;
      this.#holder.saw(lease.record, { askedAtMs, answeredAtMs: clock.nowMs() });
      this.#saw(lease);
      return lease;
    } finally {
      cancel();
      this.#request = undefined;
    }
  }

  #saw(lease: Lease): void {
    const { holderIdentity } = lease.record;
    const before = this.#lease?.record.holderIdentity;
    this.#lease = lease;
    const { log, onLeading } = this.#deps;
    const isOurs = holderIdentity === this.#options.identity;
    // A leader stays leader if the Lease has no holder, and takes it again at once.
    if (holderIdentity === "" || this.#stop.signal.aborted) return;
    if (isOurs !== this.#isLeading) {
      this.#isLeading = isOurs;
      onLeading(isOurs);
    }
    if (before === holderIdentity) return;
    log.info(
      { ...this.#named, holder: holderIdentity },
      isOurs ? "leadership acquired" : "leader changed",
    );
  }

  /** Writes a Lease without a holder, so that a standby need not wait for its expiry. */
  async #release(): Promise<void> {
    const isOurs = this.#lease?.record.holderIdentity === this.#options.identity;
    if (!isOurs && !this.#isUnsure) return;
    let lease = this.#isUnsure ? undefined : this.#lease;
    for (let tries = 0; tries < releaseTriesMax; tries += 1) {
      lease ??= await this.#look();
      if (lease?.record.holderIdentity !== this.#options.identity) return;
      const body = releasedLease(lease, this.#deps.clock.wallMs());
      const isReleased = await this.#write((api, signal) =>
        api.replace({ path: this.#path, body }, signal),
      );
      if (isReleased) {
        this.#deps.log.info(this.#named, "lease released");
        return;
      }
      lease = undefined;
    }
    throw new Error("others wrote it at the same time");
  }

  /** Called when the watch has reported a changed Lease. */
  #changed(): void {
    const [lease] = this.#followed.items.values();
    if (versionOf(lease) === versionOf(this.#lease)) return;
    const holder = lease?.record.holderIdentity;
    // Only the echo of our own renewals.
    if (this.#isLeading && holder === this.#options.identity) return;
    this.#free = holder === "" ? lease : undefined;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Resolves after `waitMs`, or earlier if the Lease should be read. */
  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#isWoken = false;
        this.#wake = () => undefined;
        resolve();
      };
      const cancel = this.#deps.clock.after(this.#isWoken ? 0 : waitMs, done);
      this.#wake = done;
    });
  }

  #answered(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#deps.log.info(this.#named, "lease access restored");
  }

  /**
   * Notes a failure, and logs it if it is a new one; returns the milliseconds until the next try.
   */
  #failed(cause: unknown): number {
    if (this.#stop.signal.aborted) return 0;
    const reason = reasonOf(cause);
    if (this.#problem === undefined) {
      this.#deps.log.warn(
        { ...this.#named, reason },
        this.#isLeading ? "lease renewal failed" : "lease access failed",
      );
    }
    this.#problem = reason;
    return this.#backoff.next();
  }

  get #path(): string {
    return `${this.#collection}/${this.#options.name}`;
  }

  get #named(): { readonly lease: string } {
    return { lease: `${this.#options.namespace}/${this.#options.name}` };
  }

  get #signature(): Signature {
    return { identity: this.#options.identity, wallMs: this.#deps.clock.wallMs() };
  }
}

type Request = (api: KubeApi, signal: AbortSignal) => Promise<KubeObject>;

function statusOf(cause: unknown): number {
  return cause instanceof KubeError ? cause.httpStatus : 0;
}

function versionOf(lease: Lease | undefined): string | undefined {
  return lease?.object.metadata?.resourceVersion;
}
