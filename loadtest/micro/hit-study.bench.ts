import { seededRandom } from "../../src/std/random.ts";
import { HitStudy } from "../../src/state/hits/hit-study.ts";
import {
  aContext,
  aDecision,
  aLoad,
  aRecord,
  aRequest,
  endpoints,
} from "#test/support/builders.ts";

// The cost of the hit-rate ladder for a request and its answer, in microseconds of CPU: while all blocks are sampled, and once
// the rate has settled under 5,000 requests a second. Prompts repeat among 256.
//   node loadtest/micro/hit-study.bench.ts

const blockTokens = 64;
const requestsPerRound = 5_000;
const warmUpRounds = 60;
const rounds = 15;

const random = seededRandom(1);
const pool = endpoints(8);
const load = aLoad(pool.map(() => ({ blockTokens, blocksMax: 6_000 })));
const decision = aDecision();
const text = Array.from({ length: 2_000 }, () => Math.floor(random() * 1e6).toString(36)).join(" ");

/** Requests of so many blocks, one every 0.2 ms. */
function requestsOf(blocks: number) {
  return Array.from({ length: 256 }, () => {
    const chain = Uint32Array.from({ length: blocks * 2 }, () => random() * 2 ** 32);
    const promptTokens = blocks * blockTokens;
    return {
      request: aRequest({ promptTokens, prompts: [[{ kind: "text", text }]] }),
      match: {
        totalBlocks: () => blocks,
        matchedBlocks: () => blocks >> 1,
        blockTokens: () => blockTokens,
        promptBlocks: () => ({ blockTokens, totalBlocks: blocks, chains: [chain] }),
      },
      record: aRecord({ usage: { promptTokens, outputTokens: 9, cachedTokens: 0 } }),
    };
  });
}

/** Every request has a match with blocks. */
function hashNothing(): undefined {
  return undefined;
}

/** Median of the microseconds for a request. */
function measured(blocks: number, usesPerSecondMax: number): { us: number; rate: number } {
  let nowMs = 0;
  const study = new HitStudy({ hash: hashNothing, nowMs: () => nowMs, usesPerSecondMax });
  const requests = requestsOf(blocks);
  const times: number[] = [];
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const sent = Array.from({ length: requestsPerRound }, (_, index) => {
      const request = requests[index % requests.length] ?? requests[0];
      if (request === undefined) throw new Error("there are requests");
      nowMs += 0.2;
      const context = aContext({ request: request.request, endpoints: pool, load, nowMs });
      return { ...request, sent: { context, decision } };
    });
    const before = process.cpuUsage();
    for (const each of sent) study.sent(each.sent, each.match)?.ended?.(each.record);
    const { user, system } = process.cpuUsage(before);
    if (round >= warmUpRounds) times.push((user + system) / requestsPerRound);
  }
  const us = times.toSorted((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
  return { us, rate: study.summary().sample.rate };
}

for (const blocks of [8, 64, 512]) {
  for (const usesPerSecondMax of [Number.MAX_VALUE, 1_000]) {
    const { us, rate } = measured(blocks, usesPerSecondMax);
    const sampled = rate === 1 ? "all blocks" : `one block in ${1 / rate}`;
    process.stdout.write(`${blocks} blocks, ${sampled} sampled: ${us.toFixed(2)} us a request\n`);
  }
}
