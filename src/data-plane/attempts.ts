import type { SentRequest } from "../core/data-plane-plugin.ts";
import type { Decision, Outcome, RoutedOutcome } from "../core/decision.ts";
import type { RunningRequest } from "../core/flow-control.ts";
import type { RequestFollower, ResponseHead } from "../core/request-follower.ts";
import type { FailedAttempt } from "../core/request-record.ts";
import type { PoolSnapshot } from "../core/pool-snapshot.ts";
import type { HeaderPair, RequestHead } from "../core/request.ts";
import type { AttemptTrace, RequestTrace, Tracer } from "../core/request-trace.ts";
import type { ResponseMetadata } from "../core/response-metadata.ts";
import type { Clock } from "../std/clock.ts";
import type { AnswerView } from "./answer.ts";
import { unschedulable } from "./failed-attempts.ts";
import { headerChangesOf } from "./header-changes.ts";
import type { PoolView } from "./pool-view.ts";
import type { AskedDecision, Routing, UnderstoodRequest } from "./routing.ts";

interface AttemptsParts {
  readonly head: RequestHead;
  readonly pool: Pick<PoolView, "send">;
  readonly routing: Pick<Routing, "sent" | "bodyOf">;
  readonly clock: Pick<Clock, "nowMs" | "wallMs">;
  readonly running: RunningRequest;
  /** When the request arrived, by the clock. */
  readonly startedMs: number;
  /** Followers of every request. */
  readonly followers: readonly RequestFollower[];
  /** Undefined if no request is traced. */
  readonly tracer?: Tracer | undefined;
  /** True if the ingress shows the body of the response. */
  readonly showsAnswer: boolean;
}

/** An attempt that was sent, and has not ended. */
export interface OpenAttempt {
  readonly decision: Decision;
  /** Followers of the pool and of plugins. */
  readonly followers: readonly RequestFollower[];
}

/** The attempts of one request, and those who follow them: one attempt is open at a time, or two if it is hedged. */
export class Attempts {
  /** Undefined if the request is not sampled. */
  readonly trace: RequestTrace | undefined;
  readonly #parts: AttemptsParts;
  /** Followers of the request from its start. */
  readonly #ofAll: readonly RequestFollower[];
  #followers: readonly RequestFollower[];
  #decision: Decision | undefined;
  #rival: OpenAttempt | undefined;
  failed: readonly FailedAttempt[] = [];
  /** Number of the last decision that refused the request, in the decision log. */
  refusalId: number | undefined;
  /** Decisions whose attempts were given up because another one answered first. */
  outrun: readonly Decision[] = [];

  constructor(parts: AttemptsParts) {
    const { followers, tracer, head, startedMs } = parts;
    const trace = tracer?.begin(head, startedMs);
    this.#parts = parts;
    this.trace = trace;
    this.#ofAll = trace === undefined ? followers : [...followers, trace];
    this.#followers = this.#ofAll;
  }

  /** The decision of the last attempt; undefined before the first one. */
  get decision(): Decision | undefined {
    return this.#decision;
  }

  /** Followers of the last attempt, and then those of every request. */
  get followers(): readonly RequestFollower[] {
    return this.#followers;
  }

  /** The last attempt; undefined before the first one. */
  get current(): OpenAttempt | undefined {
    const decision = this.#decision;
    return decision === undefined ? undefined : { decision, followers: this.#ownFollowers };
  }

  /** The attempt that runs next to the last one; undefined if it is the only one. */
  get rival(): OpenAttempt | undefined {
    return this.#rival;
  }

  /** The decisions of all attempts. */
  get tried(): readonly Decision[] {
    const failed = this.failed.map(({ decision }) => decision);
    const open = [this.#rival?.decision, this.#decision];
    return [...failed, ...this.outrun, ...open.filter((decision) => decision !== undefined)];
  }

  /** The decision to make about the request. `mayRepeat`: the request waits, so that it may be asked for again. */
  asked({ request }: UnderstoodRequest, snapshot: PoolSnapshot, mayRepeat: boolean): AskedDecision {
    return { request, snapshot, mayRepeat, trace: this.trace };
  }

  /** Counts the request at its endpoint, and lets plugins and the pool follow it. */
  send(sent: SentRequest, understood: UnderstoodRequest): RoutedOutcome {
    const { head, pool, routing, showsAnswer, running } = this.#parts;
    const ofAll = this.#ofAll;
    const { request } = understood;
    const { decision } = sent;
    // Plugins first: they see the pool of the decision, and if one throws, the pool has counted nothing.
    const ofPlugins: RequestFollower[] = [];
    const follow = (follower: RequestFollower) => void ofPlugins.push(follower);
    let traced: AttemptTrace | undefined;
    try {
      const isFirst = this.#decision === undefined;
      routing.sent(isFirst ? sent : { ...sent, isAgain: true }, follow, running);
      traced = this.trace?.attempt(sent);
      if (traced !== undefined) follow(traced.follower);
    } finally {
      // Without those of an earlier attempt, which have had its end, or stay with it. If one of these throws, the others
      // follow the request to its end.
      this.#followers = [...ofPlugins, ...ofAll];
    }
    // Count the request before it leaves, so that the next request of a burst sees it.
    const ofPool = pool.send(sent);
    this.#followers = [...ofPool, ...ofPlugins, ...ofAll];
    this.#decision = decision;
    const { changed, isRenamed } = routing.bodyOf(understood, sent, this.#arrivedAtMs());
    return {
      kind: "routed",
      decision,
      body: changed?.body,
      headers: headerChangesOf(decision, {
        fromClient: head.headers,
        changed,
        // The client's name of the model is restored in the response, which is impossible if it is compressed.
        isPlain: isRenamed && request.model !== "" && showsAnswer,
        traced,
      }),
    };
  }

  /** The last attempt has had its end, and the request waits before the next one. */
  rest(): void {
    this.#followers = this.#ofAll;
  }

  /** Lets an attempt go on next to the one that is sent next. */
  keepBeside(attempt: OpenAttempt): void {
    this.#rival = attempt;
  }

  /** Of two attempts, leaves the one of this decision, and returns the other; undefined if there is one only. */
  without(decision: Decision): OpenAttempt | undefined {
    const rival = this.#rival;
    const { current } = this;
    if (rival === undefined || current === undefined) return undefined;
    this.#rival = undefined;
    if (rival.decision !== decision) return rival;
    this.#decision = rival.decision;
    this.#followers = [...rival.followers, ...this.#ofAll];
    return current;
  }

  /** Tells each follower, even if one before it throws, which is a bug: the others hold counts of the request. */
  tell(followers: readonly RequestFollower[], event: (follower: RequestFollower) => void): void {
    for (const follower of followers) {
      try {
        event(follower);
      } catch (cause) {
        this.report(cause);
      }
    }
  }

  /** Tells all followers of the head of the answer; returns the headers that they set. */
  answered(head: ResponseHead, atMs: number): readonly HeaderPair[] {
    const set: HeaderPair[] = [];
    this.tell(this.#followers, (follower) => follower.responseHead?.(head, atMs));
    this.tell(this.#followers, (follower) => {
      const headers = follower.responseHeaders?.(head);
      if (headers !== undefined) set.push(...headers);
    });
    return set;
  }

  /** True if a follower may set headers of the response. */
  get setsResponseHeaders(): boolean {
    return this.#followers.some((follower) => follower.responseHeaders !== undefined);
  }

  /** The numbers of all followers for the proxy, about a body that has passed; undefined if there are none. */
  metadata(answer: AnswerView | undefined): ResponseMetadata | undefined {
    if (!this.#followers.some((follower) => follower.responseMetadata !== undefined)) return;
    // The last line may have had no line end.
    answer?.close(true);
    const usage = answer?.usage;
    const all = new Map<string, Map<string, number>>();
    this.tell(this.#followers, (follower) => {
      for (const { namespace, name, value } of follower.responseMetadata?.(usage) ?? []) {
        const named = all.get(namespace) ?? new Map<string, number>();
        all.set(namespace, named.set(name, value));
      }
    });
    return all.size === 0 ? undefined : all;
  }

  /** Tells the followers of every request. */
  tellAll(event: (follower: RequestFollower) => void): void {
    this.tell(this.#ofAll, event);
  }

  report(cause: unknown): void {
    for (const follower of this.#parts.followers) follower.failed?.(this.#parts.head, cause);
  }

  /** Handles an exception of a stage, which is a bug in the picker. */
  failedBy(cause: unknown): Outcome {
    this.report(cause);
    return unschedulable;
  }

  /** Unix time of the request's arrival. */
  #arrivedAtMs(): number {
    const { clock, startedMs } = this.#parts;
    return clock.wallMs() - (clock.nowMs() - startedMs);
  }

  get #ownFollowers(): readonly RequestFollower[] {
    const ofAll = this.#ofAll;
    return this.#followers.filter((follower) => !ofAll.includes(follower));
  }
}
