import { describe, expect, it } from "vitest";
import { endpoints as someEndpoints } from "#test/support/builders.ts";
import { scriptedSigns } from "#test/support/engine-signs.ts";
import type { HealthSettings } from "../../core/health-settings.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import { EndpointHealth } from "./endpoint-health.ts";
import { defaultHealth, type HealthEvent } from "./phases.ts";
import { type TimedAnswer, wholeAnswerOf } from "./short-answers.ts";

const kind = 7;
const long: TimedAnswer = {
  kinds: [kind],
  client: 1,
  outputTokens: 200,
  chunks: 150,
  durationMs: 4_000,
};
const short: TimedAnswer = { kinds: [kind], client: 1, outputTokens: 1, chunks: 2, durationMs: 25 };
/** A fifth of the length of others. */
const brief: TimedAnswer = { ...long, outputTokens: 35 };
/** As long as others, from an engine four times as fast. */
const fast: TimedAnswer = { ...long, durationMs: 1_000 };

/** Answers of one endpoint, in order. */
type Said = readonly [endpoint: number, count: number, answer: TimedAnswer];

function eventsOf(
  said: readonly Said[],
  { settings = {}, count = 4 }: { settings?: Partial<HealthSettings>; count?: number } = {},
): readonly HealthEvent[] {
  const events: HealthEvent[] = [];
  const signs = scriptedSigns(count);
  const endpoints = someEndpoints(count);
  const health = new EndpointHealth({ onEvent: (event) => events.push(event), signs });
  health.settings = { ...defaultHealth, ...settings };
  health.follow({ added: endpoints, removed: [], updated: [], refused: [] }, true, 0);
  let nowMs = 0;
  for (const [index, times, answer] of said) {
    for (let each = 0; each < times; each += 1) {
      nowMs += 10;
      const endpoint = endpoints[index];
      if (endpoint !== undefined) health.answered(endpoint, answer, nowMs);
    }
  }
  return events;
}

const others: readonly Said[] = [
  [1, 4, long],
  [2, 4, long],
];

describe("short answers", () => {
  it("eject an endpoint after 12 in a row, with their numbers", () => {
    expect(eventsOf([...others, [0, 11, short]])).toEqual([]);
    const [event, ...rest] = eventsOf([...others, [0, 12, short]]);
    expect(rest).toEqual([]);
    expect(event).toMatchObject({
      endpoint: { slot: 0 },
      kind: "ejected",
      reason: "short",
      evidence: {
        shortAnswersInRow: 12,
        shortAnswersInRowMax: 12,
        longestMs: 25,
        othersAnswers: 8,
        othersEndpoints: 2,
        othersShortestMs: 4_000,
      },
    });
  });

  it("are told by chunks if the engine reports no usage", () => {
    const bare = { ...short, outputTokens: undefined };
    expect(eventsOf([...others, [0, 12, bare]])).toHaveLength(1);
  });

  it.each<readonly [string, readonly Said[]]>([
    [
      "if the others answer as briefly",
      [
        [1, 8, short],
        [2, 8, short],
        [0, 30, short],
      ],
    ],
    [
      "if a tenth of the others' answers is as short",
      [
        [1, 7, long],
        [1, 1, short],
        [2, 2, long],
        [0, 30, short],
      ],
    ],
    ["if one long answer is among them", [...others, [0, 11, short], [0, 1, fast], [0, 11, short]]],
    [
      "if they are a quarter as long or more",
      [
        [1, 8, brief],
        [2, 8, brief],
        [0, 30, { ...short, outputTokens: 9 }],
      ],
    ],
    ["if they have more than 32 tokens", [...others, [0, 30, { ...short, outputTokens: 33 }]]],
    ["if they take half as long or more", [...others, [0, 30, { ...short, durationMs: 2_001 }]]],
    ["of a fast engine that are as long as others", [...others, [0, 30, fast]]],
    [
      "of fast engines that came first",
      [
        [1, 8, fast],
        [2, 8, fast],
        [0, 30, long],
      ],
    ],
    [
      "of three clients that get none from the others",
      [...others, ...[2, 3, 4, 2, 3].map((client): Said => [0, 9, { ...short, client }])],
    ],
    ["to requests of another kind", [...others, [0, 30, { ...short, kinds: [8] }]]],
    [
      "if few others can be compared",
      [
        [1, 2, long],
        [2, 1, long],
        [0, 100, short],
      ],
    ],
    [
      "if a single other endpoint can be compared",
      [
        [1, 8, long],
        [0, 30, short],
      ],
    ],
    [
      "if half of the others answer as briefly",
      [
        [1, 4, long],
        [2, 4, short],
        [0, 30, short],
      ],
    ],
  ])("are no evidence %s", (_, said) => {
    expect(eventsOf(said)).toEqual([]);
  });

  it("may be those of four clients that others have not answered", () => {
    const said = [2, 3, 4, 5].map((client): Said => [0, 3, { ...short, client }]);
    expect(eventsOf([...others, ...said])).toHaveLength(1);
  });

  it("need half as many answers of others if there are four times as many of them", () => {
    const few: readonly Said[] = [
      [1, 2, long],
      [2, 2, long],
    ];
    expect(eventsOf([...few, [0, 47, short]])).toEqual([]);
    expect(eventsOf([...few, [0, 48, short]])).toHaveLength(1);
  });

  it("are compared with one endpoint in a pool of two", () => {
    expect(
      eventsOf(
        [
          [1, 8, long],
          [0, 12, short],
        ],
        { count: 2 },
      ),
    ).toHaveLength(1);
  });

  it("of two endpoints of six do not hide each other", () => {
    const four: readonly Said[] = [2, 3, 4, 5].map((index) => [index, 4, long]);
    const said: readonly Said[] = [...four, [0, 6, short], [1, 12, short], [0, 12, short]];
    const events = eventsOf(said, { count: 6 });
    expect(events.map(({ endpoint }) => endpoint.slot)).toEqual([1, 0]);
  });

  it("are judged by the most general kind of their request", () => {
    const closer = { ...short, kinds: [8, kind] };
    expect(eventsOf([...others, [0, 30, closer]])).toEqual([]);
    expect(eventsOf([...others, [0, 30, { ...short, kinds: [kind, 8] }]])).toHaveLength(1);
  });

  it("do nothing with a limit of 0", () => {
    const settings = { shortAnswersInRowMax: 0 };
    expect(eventsOf([...others, [0, 99, short]], { settings })).toEqual([]);
  });

  it("fail a trial at the first, and the endpoint stays out twice as long", () => {
    const events: HealthEvent[] = [];
    const endpoints = someEndpoints(3);
    const [broken, ...well] = endpoints;
    if (broken === undefined) throw new Error("there are three");
    const signs = scriptedSigns(3);
    const health = new EndpointHealth({ onEvent: (event) => events.push(event), signs });
    health.follow({ added: endpoints, removed: [], updated: [], refused: [] }, true, 0);
    for (const endpoint of well) {
      for (let each = 0; each < 4; each += 1) health.answered(endpoint, long, 0);
    }
    for (let each = 0; each < 12; each += 1) health.answered(broken, short, 100);
    expect(health.stateOf(broken).phase).toBe("ejected");
    health.tick(10_100);
    expect(health.stateOf(broken).phase).toBe("trial");
    health.answered(broken, short, 10_200);
    expect(events.map(({ kind: what, reason, ms }) => [what, reason, ms])).toEqual([
      ["ejected", "short", 10_000],
      ["ejected", "short", 20_000],
    ]);
  });

  it("count for ten minutes", () => {
    const endpoints = someEndpoints(3);
    const events: HealthEvent[] = [];
    const health = new EndpointHealth({
      onEvent: (event) => events.push(event),
      signs: scriptedSigns(3),
    });
    health.follow({ added: endpoints, removed: [], updated: [], refused: [] }, true, 0);
    const [broken, ...well] = endpoints;
    if (broken === undefined) throw new Error("there are three");
    for (const endpoint of well) {
      for (let each = 0; each < 8; each += 1) health.answered(endpoint, long, 0);
    }
    for (let each = 0; each < 99; each += 1) health.answered(broken, short, 600_000);
    expect(events).toEqual([]);
  });
});

describe("a whole answer", () => {
  const usage = { promptTokens: 9, outputTokens: 5, cachedTokens: undefined };
  const record = {
    end: "complete",
    httpStatus: 200,
    failure: undefined,
    usage,
    responseChunks: 4,
    startedMs: 0,
    decidedMs: 2,
    endedMs: 102,
  } as Partial<RequestRecord>;
  const of = (other: Partial<RequestRecord>, isEventStream = true) => {
    // No other field is read.
    const whole = { ...record, ...other } as RequestRecord;
    return wholeAnswerOf(whole, { kinds: [kind], client: 1, isEventStream });
  };

  it("has its length in tokens and chunks, and its time since the decision", () => {
    expect(of({})).toEqual({
      kinds: [kind],
      client: 1,
      outputTokens: 5,
      chunks: 4,
      durationMs: 100,
    });
    expect(of({}, false)?.chunks).toBeUndefined();
    expect(of({ usage: undefined })?.outputTokens).toBeUndefined();
  });

  it.each<readonly [string, Partial<RequestRecord>, boolean]>([
    ["that broke off", { end: "aborted" }, true],
    ["of an error", { httpStatus: 400 }, true],
    ["with an error in it", { failure: { code: "x", blame: "engine" } }, true],
    ["without a stream and usage", { usage: undefined }, false],
  ])("is none %s", (_, other, isEventStream) => {
    expect(of(other, isEventStream)).toBeUndefined();
  });
});
