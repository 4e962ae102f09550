import { describe, expect, it, vi } from "vitest";
import { aHead, aRequest, endpoints as someEndpoints } from "#test/support/builders.ts";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { ResponseHead } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import { healthFollower } from "./answer-follower.ts";
import { EndpointHealth } from "./endpoint-health.ts";
import { defaultHealth } from "./phases.ts";

const endpoints = someEndpoints(3);
const [first, second] = endpoints;
if (first === undefined || second === undefined) throw new Error("there are three");

const aStream: ResponseHead = {
  httpStatus: 200,
  servedBy: undefined,
  served: undefined,
  failedBefore: [],
  isUnreached: false,
  isEventStream: true,
};
const engineFailure = { code: "engine_error", blame: "engine" as const };
const complete = { end: "complete" as const, endedBy: undefined, failure: undefined };

/**
 * Sends this many requests with the same outcome to the first endpoint; returns the endpoint that
 * this ejects.
 */
function ejectedBy(
  count: number,
  way: {
    readonly head?: Partial<ResponseHead> | undefined;
    readonly hasToken?: boolean;
    readonly record: Partial<RequestRecord>;
    readonly isStreaming?: boolean;
  },
): readonly string[] {
  const ejected: Endpoint[] = [];
  const signs = scriptedSigns(3);
  const health = new EndpointHealth({ onEvent: ({ endpoint }) => ejected.push(endpoint), signs });
  health.settings = defaultHealth;
  health.follow({ added: endpoints, removed: [], updated: [], refused: [] }, true, 0);
  for (let index = 0; index < count; index += 1) {
    const nowMs = index * 5;
    const headers = new Map([["x-forwarded-for", `10.1.0.${index}`]]);
    const request = aRequest({ head: aHead({ headers }), isStreaming: way.isStreaming ?? true });
    const follower = healthFollower(health, first as Endpoint, {
      request,
      prefixHit: undefined,
      nowMs,
    });
    if (way.head !== undefined) follower.responseHead?.({ ...aStream, ...way.head }, nowMs);
    if (way.hasToken === true) follower.firstToken?.(nowMs);
    // The follower reads no other field.
    const record = { endedMs: nowMs, responseHeadMs: way.head && nowMs, usage: undefined };
    follower.ended?.({ ...record, ...complete, ...way.record } as RequestRecord);
  }
  return ejected.map(({ id }) => id);
}

/** Endpoints whose health follows one request, in order. */
function watchesOf({ head }: { readonly head: Partial<ResponseHead> }): readonly string[] {
  const health = new EndpointHealth({ onEvent: () => undefined, signs: scriptedSigns(3) });
  health.follow({ added: endpoints, removed: [], updated: [], refused: [] }, true, 0);
  const sent = vi.spyOn(health, "sent");
  const follower = healthFollower(health, first as Endpoint, {
    request: aRequest({ isStreaming: true }),
    prefixHit: undefined,
    nowMs: 0,
  });
  follower.responseHead?.({ ...aStream, ...head }, 1);
  return sent.mock.calls.map(([{ id }]) => id);
}

describe("an answer as evidence", () => {
  it.each([
    ["a status of 500", { head: { httpStatus: 500 }, record: complete }],
    ["an error inside a 200 stream", { head: {}, record: { failure: engineFailure } }],
    [
      "an error inside a 200 stream after some tokens",
      { head: {}, hasToken: true, record: { failure: engineFailure } },
    ],
    [
      "an error inside a 200 answer without streaming",
      {
        head: { isEventStream: false },
        hasToken: true,
        isStreaming: false,
        record: { failure: engineFailure },
      },
    ],
    [
      "a stream that the engine ends early",
      { head: {}, hasToken: true, record: { end: "aborted" as const, endedBy: "engine" as const } },
    ],
    [
      "a retry that went elsewhere",
      {
        head: { servedBy: second.hostPort, served: second, failedBefore: [first] },
        record: complete,
      },
    ],
  ])("%s counts against its endpoint", (_, way) => {
    expect(ejectedBy(12, way)).toContain(first.id);
  });

  it.each([
    ["a good one", { head: {}, hasToken: true, record: complete }],
    ["a status of 404", { head: { httpStatus: 404, isEventStream: false }, record: complete }],
    [
      "a proxy's time limit",
      {
        head: { httpStatus: 504, isEventStream: false },
        record: { httpStatus: 504, failure: { code: "upstream_504", blame: "engine" as const } },
      },
    ],
    [
      "an error that is the client's fault",
      { head: {}, record: { failure: { code: "bad", blame: "client" as const } } },
    ],
    [
      "a client that leaves before the head",
      { head: undefined, record: { end: "aborted" as const, endedBy: "unknown" as const } },
    ],
    [
      "a client that is known to have left",
      { head: {}, hasToken: true, record: { end: "aborted" as const, endedBy: "client" as const } },
    ],
    [
      "a proxy that disconnects",
      { head: {}, hasToken: true, record: { end: "aborted" as const, endedBy: "proxy" as const } },
    ],
    [
      "our own drain",
      { head: {}, hasToken: true, record: { end: "aborted" as const, endedBy: "drain" as const } },
    ],
    [
      "one that another endpoint served by chance",
      { head: { servedBy: second.hostPort, served: second }, record: complete },
    ],
  ])("%s does not", (_, way) => {
    expect(ejectedBy(30, way)).toEqual([]);
  });

  it("of a rank behind the port of another counts for that rank, with its times", () => {
    const head = { servedBy: second.hostPort, served: first };
    expect(watchesOf({ head })).toEqual([first.id]);
    expect(watchesOf({ head: { ...head, served: second } })).toEqual([first.id, second.id]);
  });

  it("of another endpoint that served counts there", () => {
    const head = { servedBy: second.hostPort, served: second, httpStatus: 500 };
    expect(ejectedBy(12, { head, record: complete })).toEqual([second.id]);
  });
});
