import { describe, expect, it } from "vitest";
import fc from "fast-check";
import { aRecording, engine } from "#test/support/recordings.ts";
import { blockEngine, conversations, recordedConversations } from "#test/support/lab-recordings.ts";
import { defaultConfigText } from "../config/default-document.ts";
import { previousTurnsOf } from "./previous-turns.ts";
import { reportOf, reportText } from "./report.ts";
import { replayerOf } from "./replay.ts";

const options = { given: {}, calibrates: true, warmUpShare: 0.1, waits: true, seed: 1 };
const asRecorded = { ...options, given: blockEngine, calibrates: false, warmUpShare: 0 };

describe("a replay", () => {
  it("finds the speed of the engines, and what other parts add", async () => {
    const { engines, calibrated, recorded, placed } = await replayerOf(aRecording(), options);
    const [found] = engines.options;
    expect((found?.prefillTokensPerSecond ?? 0) / 5_000).toBeCloseTo(1, 1);
    expect((found?.stepBaseMs ?? 0) / 20).toBeCloseTo(1, 0);
    expect(calibrated.overheadMs).toBeGreaterThan(2);
    expect(calibrated.overheadMs).toBeLessThan(12);
    const mean = (outcomes: typeof recorded) =>
      outcomes.reduce((sum, { ttftMs = 0 }) => sum + ttftMs, 0) / outcomes.length;
    expect(Math.abs(mean(placed) / mean(recorded) - 1)).toBeLessThan(0.05);
    expect(placed.map(({ cachedTokens }) => cachedTokens)).toEqual(
      recorded.map(({ cachedTokens }) => cachedTokens),
    );
  });

  it("tells what another document would have done: fewer copies of prefixes, and less waiting", async () => {
    const recording = aRecording();
    const replayer = await replayerOf(recording, { ...options, given: engine, calibrates: false });
    const outcomes = await replayer.run(defaultConfigText);
    const runs = [{ name: "default", outcomes }];
    const report = reportOf({ file: "rec.jsonl", recording, replayer, runs });
    const [own] = report.runs;
    // In turns, each beginning is computed on both engines.
    expect(own?.hitRatio).toBeGreaterThan((report.recorded.hitRatio ?? 1) + 0.02);
    expect(own?.ttftS?.mean).toBeLessThan(report.recorded.ttftS?.mean ?? 0);
    expect(own?.unserved).toBe(0);
    expect(own?.tenants.map(({ tenant }) => tenant)).toEqual(["tenant-b", "tenant-a"]);
    const text = reportText(report);
    expect(text).toContain("rec.jsonl: 240 requests in");
    expect(text).toContain("\n0 requests are sent after an earlier answer");
    expect(text).toMatch(/^default +\d\.\d{3} s/m);
    expect(text).toMatch(/^tenant-a +\d+ +\d\.\d{3} s$/m);
  });

  it("gives the same numbers for the same seed", async () => {
    const replayer = await replayerOf(aRecording(60), { ...options, calibrates: false });
    const first = await replayer.run(defaultConfigText);
    expect(await replayer.run(defaultConfigText)).toEqual(first);
    expect(first.length).toBeLessThan(60);
    expect(replayer.engines.options[0]?.prefillTokensPerSecond).toBe(3_000);
  });

  it("rejects a document with mistakes", async () => {
    const replayer = await replayerOf(aRecording(10), { ...options, calibrates: false });
    await expect(replayer.run("kind: Pod")).rejects.toThrow("kind: want EndpointPickerConfig");
  });

  it("compares whole answers if none streams", async () => {
    const recording = aRecording(60);
    const requests = recording.requests.map((line) => ({ ...line, stream: undefined }));
    const whole = { ...recording, requests };
    const replayer = await replayerOf(whole, options);
    const runs = [{ name: "default", outcomes: await replayer.run(defaultConfigText) }];
    const report = reportOf({ file: "rec.jsonl", recording: whole, replayer, runs });
    expect(report.compares).toBe("e2e");
    expect(report.recorded.ttftS).toBeUndefined();
    expect(report.runs[0]?.e2eS?.mean).toBeGreaterThan(0.5);
    expect(reportText(report)).toContain("answer mean");
  });

  it("sends further turns when the recorded ones came, under the same document on the same engines", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const recording = await recordedConversations(seed);
        const { requests } = recording;
        const replayer = await replayerOf(recording, { ...asRecorded, seed });
        expect(replayer.waiting).toBe(requests.length - conversations);
        const replayed = await replayer.run(recording.document);
        for (const [index, { atMs, ttftMs }] of replayed.entries()) {
          expect(atMs).toBeCloseTo(requests[index]?.atMs ?? -1, 0);
          expect(ttftMs).toBeCloseTo(requests[index]?.firstTokenMs ?? -1, 0);
        }
      }),
      { numRuns: 5 },
    );
  });

  it("sends further turns later if the answers before come later, by as much", async () => {
    const recording = await recordedConversations(7);
    const slow = { ...asRecorded, given: { ...blockEngine, stepBaseMs: 4 * engine.stepBaseMs } };
    const replayer = await replayerOf(recording, slow);
    const replayed = await replayer.run(recording.document);
    const delays = replayed.map(({ atMs }, index) => atMs - (recording.requests[index]?.atMs ?? 0));
    const answered = replayed.map(({ e2eMs = 0 }, index) => {
      return (delays[index] ?? 0) + e2eMs - (recording.requests[index]?.endedMs ?? 0);
    });
    const turns = previousTurnsOf(recording.requests);
    for (const [index, turn] of turns.entries()) {
      const delay = turn === undefined ? 0 : answered[turn.request];
      expect(delays[index]).toBeCloseTo(delay ?? -1, 6);
    }
    // Steps of 80 ms in place of 20, 64 of them for each answer.
    expect(Math.max(...delays)).toBeGreaterThan(5_000);
    const asTimed = await replayerOf(recording, { ...slow, waits: false });
    for (const [index, { atMs }] of (await asTimed.run(recording.document)).entries()) {
      expect(atMs).toBeCloseTo(recording.requests[index]?.atMs ?? -1, 6);
    }
  });
});
