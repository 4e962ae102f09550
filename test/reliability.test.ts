import { describe, expect, it } from "vitest";
import type { Sent } from "../loadtest/reliability/client.ts";
import { cases } from "../loadtest/reliability/cases.ts";
import { measuresOf } from "../loadtest/reliability/measures.ts";
import { loadOf } from "../loadtest/reliability/loads.ts";
import { planOf } from "../loadtest/reliability/plan.ts";
import type { RunRecord } from "../loadtest/reliability/run.ts";
import { markdownTableOf, textTableOf } from "../loadtest/reliability/table.ts";

const hostPorts = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4"];

/** The engine that has the fault, and those that take its requests while it is avoided. */
const faultyEngine = 2;
const others = [0, 1, 3];

/**
 * 30 s with a fault from 10 to 20 s and a request each 25 ms, to one engine after the other. The
 * faulty one is left out from `noticedAtMs` to `returnedAtMs`.
 */
function aRecord(options: {
  readonly noticedAtMs: number;
  readonly returnedAtMs: number;
  readonly sent?: (index: number) => Partial<Sent>;
  readonly samples?: RunRecord["samples"];
}): RunRecord {
  const { noticedAtMs, returnedAtMs, samples = [] } = options;
  const sent = Array.from({ length: 1_200 }, (_, index) => ({
    id: `r-${index}`,
    isBurst: false,
    sentAtMs: index * 25,
    lateMs: 0,
    endedAtMs: index * 25 + 200,
    result: "ok",
    ttftMs: 100,
    ...options.sent?.(index),
  }));
  const engineOf = (index: number, atMs: number) =>
    atMs >= noticedAtMs && atMs < returnedAtMs ? others[index % 3] : index % 4;
  return {
    phases: { faultStartMs: 10_000, faultEndMs: 20_000, underFaultEndMs: 20_000, endMs: 30_000 },
    faultyEngine,
    hostPorts,
    sent,
    picks: new Map(
      sent.map(({ id, sentAtMs }, index) => [id, hostPorts[engineOf(index, sentAtMs) ?? 0] ?? ""]),
    ),
    samples,
    ejections: 2,
    cpuRatio: 0.3,
  };
}

function sampleAt(atMs: number, waitingRequests: readonly number[]) {
  return { atMs, waitingRequests, runningRequests: [4, 4, 4, 4] };
}

const ofOne = { isOfOne: true };
const never = Number.POSITIVE_INFINITY;

describe("the measures of a run", () => {
  it("tell when the faulty engine was left out and when it came back", () => {
    const record = aRecord({ noticedAtMs: 12_500, returnedAtMs: 21_500 });
    const { noticedMs, returnedMs, shareOfFair } = measuresOf(record, ofOne);
    // Within the 100 ms between two looks, and the four requests that a turn takes.
    expect(Math.abs((noticedMs ?? never) - 2_500)).toBeLessThanOrEqual(200);
    expect(Math.abs((returnedMs ?? never) - 1_500)).toBeLessThanOrEqual(200);
    // It had its share for 2.5 s of 10 s.
    expect(shareOfFair).toBeCloseTo(0.25, 2);
  });

  it("tell that a fault was never noticed, and then not of a return", () => {
    const record = aRecord({ noticedAtMs: never, returnedAtMs: never });
    expect(measuresOf(record, ofOne)).toMatchObject({
      noticedMs: never,
      returnedMs: undefined,
      shareOfFair: 1,
    });
  });

  it("do not count as noticed what was forgotten before the fault's end", () => {
    const record = aRecord({ noticedAtMs: 11_000, returnedAtMs: 16_000 });
    expect(measuresOf(record, ofOne).noticedMs).toBe(never);
  });

  it("tell that an engine did not come back by the end of the run", () => {
    const record = aRecord({ noticedAtMs: 11_000, returnedAtMs: never });
    expect(measuresOf(record, ofOne).returnedMs).toBe(never);
  });

  it("tell of a moment how long the engine was left out after it", () => {
    const about = { isOfOne: true, isMoment: true };
    const moment = (returnedAtMs: number) => {
      const record = aRecord({ noticedAtMs: 10_000, returnedAtMs });
      const phases = { ...record.phases, faultEndMs: 10_000 };
      return measuresOf({ ...record, phases }, about);
    };
    expect(moment(10_000)).toMatchObject({ noticedMs: undefined, returnedMs: 0 });
    expect(Math.abs((moment(14_000).returnedMs ?? never) - 4_000)).toBeLessThanOrEqual(200);
  });

  it("count failures of what was under way at the fault's start and since, by how they ended", () => {
    const failures: Readonly<Record<number, string>> = { 10: "500", 399: "cut", 900: "timeout" };
    const record = aRecord({
      noticedAtMs: never,
      returnedAtMs: never,
      sent: (index) => {
        const result = failures[index];
        return result === undefined ? {} : { result, ttftMs: undefined };
      },
    });
    // 800 requests from 10 s to 30 s, and the 8 that were under way; the one at 250 ms had ended.
    expect(measuresOf(record, ofOne)).toMatchObject({
      requests: 808,
      failed: 2,
      failedRatio: 2 / 808,
      failedByResult: { cut: 1, timeout: 1 },
    });
  });

  it("take the time to the first token apart under the fault and after it", () => {
    const record = aRecord({
      noticedAtMs: never,
      returnedAtMs: never,
      // 400 requests under the fault, the first at index 400.
      sent: (index) => ({ ttftMs: index < 400 ? 9_999 : index < 800 ? index - 399 : 7 }),
    });
    const { ttft, ttftAfter } = measuresOf(record, ofOne);
    // The mean of 1 to 400.
    expect(ttft).toEqual({ p50Ms: 200, p90Ms: 360, p99Ms: 396, meanMs: 200.5 });
    expect(ttftAfter).toEqual({ p50Ms: 7, p90Ms: 7, p99Ms: 7, meanMs: 7 });
  });

  it("compare the faulty engine's longest queue with the median of the others'", () => {
    const samples = [
      sampleAt(9_000, [99, 99, 99, 99]),
      sampleAt(11_000, [1, 5, 30, 2]),
      sampleAt(12_000, [3, 0, 20, 1]),
    ];
    const record = aRecord({ noticedAtMs: never, returnedAtMs: never, samples });
    // Longest: 3, 5, 30, 2.
    expect(measuresOf(record, ofOne).queue).toEqual({ worst: 30, others: 3 });
    expect(measuresOf(record, { isOfOne: false }).queue).toEqual({ worst: 30, others: 4 });
  });

  it("tell how unevenly a burst was spread", () => {
    const record = aRecord({
      noticedAtMs: 0,
      returnedAtMs: never,
      sent: (index) => ({ isBurst: index >= 400 && index < 460 }),
    });
    // 60 requests to three of four engines: 20 over a mean of 15; the last was sent 59 x 25 ms later.
    expect(measuresOf(record, { isOfOne: false })).toMatchObject({
      burstMaxOverMean: 20 / 15,
      burstLengthMs: 1_475,
    });
  });
});

describe("the plan of a run", () => {
  const options = { seed: 7, requestsPerSecond: 50, lengthMs: 4_000 };

  it("is the same for the same seed, and another for another", () => {
    expect(planOf(options)).toEqual(planOf(options));
    expect(planOf({ ...options, seed: 8 })).not.toEqual(planOf(options));
  });

  it("keeps about the asked rate", () => {
    const requests = planOf({ ...options, lengthMs: 40_000 }).length;
    // 2,000 with a deviation of 45.
    expect(requests).toBeGreaterThan(1_800);
    expect(requests).toBeLessThan(2_200);
  });

  it("puts a burst on top of the same other requests", () => {
    const plan = planOf({ ...options, burst: { atMs: 1_000, lengthMs: 50, requests: 100 } });
    const ofBurst = plan.filter(({ isBurst }) => isBurst);
    expect(plan.filter(({ isBurst }) => !isBurst)).toEqual(planOf(options));
    expect(ofBurst).toHaveLength(100);
    expect(ofBurst.every(({ atMs }) => atMs >= 1_000 && atMs < 1_050)).toBe(true);
  });
});

describe("a load that asks of engines what no fault does", () => {
  const special = { fromMs: 5_000, toMs: 15_000 };
  const options = { seed: 3, requestsPerSecond: 20, lengthMs: 20_000, special };
  const kinds = cases.flatMap(({ load }) => load ?? []);

  it.each(kinds)(
    "%s is the same for the same seed, with clients that can be told apart",
    (kind) => {
      const plan = loadOf(kind, options);
      expect(plan).toEqual(loadOf(kind, options));
      expect(new Set(plan.map(({ client }) => client)).size).toBeGreaterThan(3);
      const without = loadOf(kind, { ...options, special: undefined });
      expect(plan.map(({ atMs }) => atMs)).toEqual(without.map(({ atMs }) => atMs));
      const changed = plan.filter(({ body }, index) => body !== without[index]?.body);
      expect(changed.length).toBeGreaterThan(3);
      expect(changed.every(({ atMs }) => atMs >= 5_000 && atMs < 15_000)).toBe(true);
    },
  );

  it("counts a client that hangs up as no failure", () => {
    const record = aRecord({
      noticedAtMs: never,
      returnedAtMs: never,
      sent: (index) => (index % 2 === 0 ? { result: "left" } : {}),
    });
    expect(measuresOf(record, { isOfOne: false }).failed).toBe(0);
  });
});

describe("the table of results", () => {
  const hang = cases.find(({ name }) => name === "hang");
  const round = (noticedAtMs: number) => ({
    withFault: measuresOf(aRecord({ noticedAtMs, returnedAtMs: 21_000 }), ofOne),
    withoutFault: measuresOf(aRecord({ noticedAtMs: never, returnedAtMs: never }), ofOne),
  });
  const results =
    hang === undefined
      ? []
      : [{ reliabilityCase: hang, rounds: [round(11_000), round(13_000), round(never)] }];

  it("has a row of medians for each case", () => {
    const [, , row] = markdownTableOf(results).split("\n");
    expect(row).toContain("| hang | 0.00 % / 0.00 % | - | 100 / 100 / 100 | 100 / 100 / 100 |");
    // Of 1 s, 3 s and never the middle one.
    expect(row).toMatch(/\| (2\.9|3\.0|3\.1) s \|/);
    expect(textTableOf(results).split("\n")).toHaveLength(2);
  });
});

describe("the cases", () => {
  it("take back what they turn on, but for one that lasts", () => {
    const names = cases
      .filter(({ end, isMoment, load }) => end === undefined && !isMoment && load === undefined)
      .map(({ name }) => name);
    expect(names).toEqual(["frozen-forever"]);
  });
});
