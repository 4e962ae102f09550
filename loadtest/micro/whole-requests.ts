import type { Endpoint } from "../../src/core/endpoint.ts";
import type { PoolSnapshot } from "../../src/core/pool-snapshot.ts";
import type { RequestFollower } from "../../src/core/request-follower.ts";
import type { RequestRecord } from "../../src/core/request-record.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import type { Routing } from "../../src/data-plane/routing.ts";

/** The end of a request without an answer. */
export const brokenOff: RequestRecord = {
  head: { id: "r", method: "POST", path: "/", headers: new Map(), subset: undefined },
  unread: undefined,
  request: undefined,
  decision: undefined,
  refusal: undefined,
  httpStatus: undefined,
  failure: undefined,
  servedBy: undefined,
  failedBefore: [],
  failedAttempts: [],
  outrun: [],
  keepsTargetName: false,
  usage: undefined,
  answerId: undefined,
  responseBytes: 0,
  responseChunks: 0,
  startedMs: 0,
  schedulingMs: undefined,
  decidedMs: 0,
  responseHeadMs: undefined,
  firstTokenMs: undefined,
  lastChunkMs: undefined,
  endedMs: 0,
  end: "aborted",
  endedBy: "client",
};

/** Requests in flight on each endpoint, and those of them that wait for a first token, if requests are served. */
const inFlightEach = 32;
const queuedEach = 2;
/** Milliseconds between two requests for each endpoint. */
const gapMs = 100;

/** Requests to serve in turn. */
interface Serving {
  readonly routing: Routing;
  readonly requests: readonly InferenceRequest[];
  readonly pool: PoolSnapshot;
  /** Endpoints of the pool. */
  readonly count: number;
}

/** A request on its way, and the times of its events. */
interface InFlight {
  readonly followers: RequestFollower[];
  readonly served: Endpoint;
  readonly sentMs: number;
  firstTokenMs: number;
}

/** Decides about a request each time, and brings a first token to an earlier one and the end to another. */
export function serverOf({ routing, requests, pool, count }: Serving): () => void {
  const stepMs = gapMs / count;
  const inFlightMax = inFlightEach * count;
  const queuedMax = queuedEach * count;
  const inFlight: (InFlight | undefined)[] = Array.from({ length: inFlightMax });
  let next = 0;
  return () => {
    const sentMs = pool.nowMs + next * stepMs;
    const place = next % inFlightMax;
    const last = inFlight[place];
    if (last !== undefined) end(last, sentMs);
    const request = requests[next % requests.length];
    if (request === undefined) return;
    const scheduled = routing.schedule({ request, snapshot: { ...pool, nowMs: sentMs } });
    if (scheduled.kind !== "routed") throw new Error("a request is not routed");
    const followers: RequestFollower[] = [];
    routing.sent(scheduled, (follower) => followers.push(follower));
    const served = scheduled.decision.targets[0].endpoint;
    inFlight[place] = { followers, served, sentMs, firstTokenMs: Number.NaN };
    const first = inFlight[(next + inFlightMax - queuedMax) % inFlightMax];
    if (first !== undefined) bringFirstToken(first, sentMs);
    next += 1;
  };
}

function bringFirstToken(request: InFlight, atMs: number): void {
  const head = {
    httpStatus: 200,
    servedBy: request.served.hostPort,
    served: request.served,
    failedBefore: [],
    failedAttempts: [],
    outrun: [],
    isUnreached: false,
    isEventStream: true,
  };
  request.firstTokenMs = atMs;
  for (const follower of request.followers) follower.responseHead?.(head, atMs);
  for (const follower of request.followers) follower.firstToken?.(atMs);
}

function end({ followers, sentMs, firstTokenMs }: InFlight, atMs: number): void {
  const record: RequestRecord = {
    ...brokenOff,
    httpStatus: 200,
    end: "complete",
    endedBy: undefined,
    usage: { promptTokens: 512, outputTokens: 100, cachedTokens: 384 },
    startedMs: sentMs,
    decidedMs: sentMs,
    responseHeadMs: firstTokenMs,
    firstTokenMs,
    lastChunkMs: atMs,
    endedMs: atMs,
  };
  for (const follower of followers) follower.ended?.(record);
}
