import { describe, expect, it } from "vitest";
import {
  aContext,
  aDecision,
  aHead,
  aLoad,
  anEndpoint,
  aRecord,
  aRequest,
  endpoints,
} from "#test/support/builders.ts";
import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { Decision } from "../../core/decision.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { PrefixMatch } from "../../core/prefix-match.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import { HitStudy } from "./hit-study.ts";

const blockTokens = 64;

/** Numbers of blocks as a chain; small numbers keep all leading zeros, so the sample has to be whole. */
const chainOf = (names: readonly number[]) =>
  Uint32Array.from(names.flatMap((name) => [name, name]));

interface Sent {
  readonly names?: readonly number[];
  readonly tokens?: number;
  /** Leading blocks that the picked endpoint holds. */
  readonly matched?: number;
  readonly size?: number;
  readonly model?: string;
  readonly tenant?: string;
  readonly text?: string;
  readonly decision?: Partial<Decision>;
  readonly isAgain?: boolean;
  /** False if no plugin looks for prefixes. */
  readonly hasMatch?: boolean;
}

/** A study over endpoints with caches of so many blocks each; 0 if they do not report it. */
function aStudy(pool: readonly Endpoint[] = endpoints(2), blocksMax = 10) {
  let nowMs = 1_000;
  const load = aLoad(pool.map(() => (blocksMax === 0 ? {} : { blockTokens, blocksMax })));
  const study = new HitStudy({
    nowMs: () => nowMs,
    pool: () => ({ endpoints: pool, load }),
    usesPerSecondMax: 1e9,
    hash: (request, size) =>
      request.dialect === "count-tokens"
        ? undefined
        : { blockTokens: size, totalBlocks: 2, chains: [chainOf([7, 8])] },
  });
  const send = ({ names = [1, 2, 3, 4], size = blockTokens, ...sent }: Sent = {}) => {
    const match: PrefixMatch = {
      totalBlocks: () => names.length,
      matchedBlocks: () => sent.matched ?? 0,
      blockTokens: () => size,
      promptBlocks: () => ({
        blockTokens: size,
        totalBlocks: names.length,
        chains: [chainOf(names)],
      }),
    };
    const headers = new Map(
      sent.tenant === undefined ? [] : [["x-llm-d-inference-fairness-id", sent.tenant]],
    );
    const request = aRequest({
      model: sent.model ?? "llama",
      head: aHead({ headers }),
      promptTokens: sent.tokens ?? names.length * size,
      prompts: [[{ kind: "text", text: sent.text ?? "" }]],
    });
    const context = aContext({ request, endpoints: pool, load, nowMs });
    const given: SentRequest = {
      context,
      decision: aDecision(sent.decision),
      ...(sent.isAgain === undefined ? {} : { isAgain: sent.isAgain }),
    };
    return study.sent(given, sent.hasMatch === false ? undefined : match);
  };
  const rungs = () => study.report().total.rungs;
  const pass = (ms: number) => void (nowMs += ms);
  return { study, send, rungs, pass, load };
}

const usage = (cachedTokens: number | undefined, promptTokens = 256): Partial<RequestRecord> => ({
  usage: { promptTokens, outputTokens: 1, cachedTokens },
});

describe("the ladder", () => {
  it("counts blocks that came before, those that fit, and those that were expected", () => {
    const { send, rungs } = aStudy();
    send();
    expect(rungs()).toMatchObject({ ceiling: 0, capacity: 0, reachable: 0, predicted: 0 });
    send({ names: [1, 2, 3, 9], matched: 1 });
    // 3 of 8 blocks, and 1 of 8.
    expect(rungs()).toMatchObject({ ceiling: 3 / 8, capacity: 3 / 8, predicted: 1 / 8 });
    // 20 blocks fill both caches.
    send({ names: Array.from({ length: 20 }, (_, at) => 100 + at) });
    send();
    // 3 + 4 of 32 blocks; the first 4 were evicted.
    expect(rungs()).toMatchObject({ ceiling: 7 / 32, capacity: 3 / 32 });
  });

  it("counts the last block of a prompt by its tokens, and nothing that is in no block", () => {
    const { send, rungs, study } = aStudy();
    send({ tokens: 200 });
    send({ tokens: 200 });
    expect(rungs().ceiling).toBeCloseTo(0.5);
    send({ tokens: 1_000 });
    // 200 of 1,400 tokens, and 256 of the last 1,000.
    expect(rungs().ceiling).toBeCloseTo((200 + 256) / 1_400);
    expect(study.report().total.promptTokens).toBe(1_400);
  });

  it("follows the last hour", () => {
    const { send, rungs, study, pass } = aStudy();
    send();
    send();
    expect(rungs().ceiling).toBe(0.5);
    pass(3_600_000);
    expect(study.report().total.requests).toBe(0);
    expect(rungs()).toEqual({
      ceiling: undefined,
      capacity: undefined,
      reachable: undefined,
      predicted: undefined,
      delivered: undefined,
    });
    send();
    expect(rungs().ceiling).toBe(0);
  });

  it("has no rung of caches whose size is not known", () => {
    const { send, rungs, study } = aStudy(endpoints(2), 0);
    send();
    send();
    expect(rungs()).toMatchObject({ ceiling: 0.5, capacity: undefined, reachable: undefined });
    expect(study.report()).toMatchObject({ cache: { endpoints: 2, reporting: 0 }, steps: [] });
  });

  it("says what caches of other sizes would give", () => {
    const { send, study } = aStudy();
    send();
    send({ names: Array.from({ length: 20 }, (_, at) => 100 + at) });
    send();
    const { steps } = study.report();
    expect(steps.map(({ factor }) => factor)).toEqual([0.25, 0.5, 1, 2, 4, 8]);
    // The prompt came again after 20 other blocks: 4 of 28 blocks, if there are more than 20 places.
    expect(steps.find(({ factor }) => factor === 0.5)?.ratio).toBeCloseTo(0);
    expect(steps.find(({ factor }) => factor === 2)?.ratio).toBeCloseTo(4 / 28);
  });

  it("counts a prompt once, whatever number of attempts it takes", () => {
    const { send, study } = aStudy();
    send();
    send({ isAgain: true });
    expect(study.report().total).toMatchObject({ requests: 1, rungs: { ceiling: 0 } });
  });

  it("is there by model and tenant", () => {
    const { send, study } = aStudy();
    send({ tenant: "a" });
    send({ tenant: "b" });
    send({ model: "lora", tenant: "b", names: [9] });
    const { groups } = study.report();
    expect(groups.map(({ model, tenant, rungs }) => [model, tenant, rungs.ceiling])).toEqual([
      ["llama", "a", 0],
      ["llama", "b", 1],
      ["lora", "b", 0],
    ]);
  });

  it("counts more than 64 of these together", () => {
    const { send, study } = aStudy();
    for (let tenant = 0; tenant < 70; tenant += 1) send({ tenant: `t${tenant}` });
    send({ tenant: "x".repeat(257) });
    const { groups, total } = study.report();
    expect(groups).toHaveLength(65);
    expect(groups[0]).toMatchObject({ isOthers: true, requests: 7 });
    expect(total.requests).toBe(71);
  });

  it("hashes prompts itself if no plugin does, and then predicts nothing", () => {
    const { send, study } = aStudy();
    send({ hasMatch: false, tokens: 128 });
    send({ hasMatch: false, tokens: 128 });
    const { total, looksForPrefixes } = study.report();
    expect(looksForPrefixes).toBe(false);
    expect(total.rungs).toMatchObject({ ceiling: 0.5, predicted: undefined });
  });

  it("leaves requests of another block size out, until no others come", () => {
    const { send, study } = aStudy();
    send();
    for (let request = 0; request < 99; request += 1) send({ size: 128 });
    expect(study.report()).toMatchObject({ otherBlockSize: 99, sample: { blockTokens: 64 } });
    send({ size: 128 });
    send({ size: 128 });
    expect(study.report()).toMatchObject({ otherBlockSize: 100, sample: { blockTokens: 128 } });
  });
});

describe("answers", () => {
  it("are compared with what was predicted for them, in all and by endpoint", () => {
    const { send, study } = aStudy();
    send({ matched: 2 })?.ended?.(aRecord(usage(64)));
    send({ matched: 2 })?.ended?.(aRecord(usage(undefined)));
    expect(study.report().total.answers).toEqual({
      answers: 2,
      reporting: 1,
      promptTokens: 256,
      predicted: 0.5,
      delivered: 0.25,
    });
    expect(study.report().endpoints).toMatchObject([{ id: "default/engine-0", delivered: 0.25 }]);
  });

  it("do not count if they failed, broke off, or came from another endpoint", () => {
    const { send, study } = aStudy();
    send()?.ended?.(aRecord({ ...usage(64), httpStatus: 500 }));
    send()?.ended?.(aRecord({ ...usage(64), end: "aborted" }));
    send()?.ended?.(aRecord({ ...usage(64), servedBy: "10.9.9.9:1" }));
    expect(study.report().total.answers.answers).toBe(0);
    send()?.ended?.(aRecord({ ...usage(64), servedBy: anEndpoint().hostPort }));
    expect(study.report().total.answers.answers).toBe(1);
  });

  it("say nothing of the endpoint if another one has computed the prompt", () => {
    const decode = anEndpoint({ slot: 0, labels: { "llm-d.ai/role": "decode" } });
    const prefill = anEndpoint({ slot: 1, labels: { "llm-d.ai/role": "prefill" } });
    const { send, study } = aStudy([decode, prefill]);
    send({ decision: { helpers: [prefill] } })?.ended?.(aRecord(usage(64)));
    const { splitAnswers, total, cache } = study.report();
    expect([splitAnswers, total.answers.answers]).toEqual([1, 0]);
    // Only the endpoint that prefills has a cache that counts.
    expect(cache).toEqual({ endpoints: 1, reporting: 1, tokens: 640 });
  });
});

describe("prompts that begin with something that changes", () => {
  const body = Array.from({ length: 900 }, (_, at) => ((at * 7_919) % 100_003).toString(36)).join(
    " ",
  );

  it("are found by their text", () => {
    const { send, study, pass } = aStudy();
    for (let request = 0; request < 5; request += 1) {
      const names = [request * 100, request * 100 + 1, request * 100 + 2, request * 100 + 3];
      send({ names, tenant: "stamped", text: `At ${request} o'clock. ${body}` });
      pass(200);
      send({ names: [1, 2, 3, 40 + request], tenant: "good", text: body });
      pass(1_000);
    }
    const starts = new Map(study.report().groups.map((group) => [group.tenant, group.starts]));
    expect(starts.get("stamped")).toMatchObject({ pairs: 4, alike: 4, differFromTokens: 0 });
    expect(starts.get("good")).toMatchObject({ pairs: 4, alike: 0 });
  });
});

describe("the engines' own count", () => {
  it("stands for what answers report until one reports", () => {
    const { study, send, pass, load } = aStudy();
    const count = (lookups: number, hits: number) => {
      load.prefixLookupTokens[0] = lookups;
      load.prefixHitTokens[0] = hits;
      pass(1_000);
    };
    count(5_000, 5_000);
    send();
    expect(study.summary()).toMatchObject({ deliveredBy: undefined, counted: { endpoints: 1 } });
    count(6_000, 5_250);
    const silent = send();
    silent?.ended?.(aRecord({ end: "complete", ...usage(undefined) }));
    expect(study.report()).toMatchObject({
      counted: { endpoints: 1, lookupTokens: 1_000, hitTokens: 250, ratio: 0.25 },
      deliveredBy: "engines",
      total: { rungs: { delivered: 0.25 } },
    });
    send()?.ended?.(aRecord({ end: "complete", ...usage(128) }));
    expect(study.report()).toMatchObject({
      counted: { ratio: 0.25 },
      deliveredBy: "answers",
      total: { rungs: { delivered: 0.5 } },
      endpoints: [{ counted: { lookupTokens: 1_000 } }],
    });
  });

  it("has what was counted after the last request", () => {
    const { study, send, pass, load } = aStudy();
    [load.prefixLookupTokens[0], load.prefixHitTokens[0]] = [5_000, 5_000];
    send()?.ended?.(aRecord({ end: "complete", ...usage(0) }));
    // The only request is counted by its engine once it is there.
    [load.prefixLookupTokens[0], load.prefixHitTokens[0]] = [5_256, 5_000];
    pass(10);
    expect(study.report()).toMatchObject({
      counted: { lookupTokens: 256 },
      endpoints: [{ counted: { lookupTokens: 256 } }],
    });
  });
});
