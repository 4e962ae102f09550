import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { anEndpoint } from "#test/support/builders.ts";
import { EndpointSilence, type SilentCase } from "./endpoint-silence.ts";

const [here, there] = [anEndpoint({ name: "a" }), anEndpoint({ name: "b" })];

function aSilence(silenceMsMin = 3_000) {
  const clock = new FakeClock();
  const silence = new EndpointSilence(silenceMsMin, clock);
  const sentAt = (place = here, predicted: Partial<SilentCase> = { predictedMs: 100 }) => {
    const state = { left: 0 };
    const waiting = silence.watch(place, {
      predictedMs: predicted.predictedMs,
      leave: () => {
        state.left += 1;
        return false;
      },
    });
    return { waiting, left: () => state.left };
  };
  return { clock, silence, sentAt };
}

describe("the silence of an endpoint", () => {
  it("lasts three seconds at least, and ten times the prediction", async () => {
    const { clock, sentAt } = aSilence();
    const [short, long] = [sentAt(), sentAt(here, { predictedMs: 2_000 })];
    await clock.advance(2_750);
    expect(short.left()).toBe(0);
    await clock.advance(500);
    expect(short.left()).toBeGreaterThan(0);
    expect(long.left()).toBe(0);
    await clock.advance(16_500);
    expect(long.left()).toBe(0);
    await clock.advance(500);
    expect(long.left()).toBeGreaterThan(0);
  });

  it("ends with any byte of any answer there, and begins again after it", async () => {
    const { clock, sentAt } = aSilence();
    const waits = sentAt();
    const streams = sentAt();
    streams.waiting.begun();
    for (let second = 0; second < 20; second += 1) {
      streams.waiting.heard();
      await clock.advance(1_000);
    }
    expect(waits.left()).toBe(0);
    await clock.advance(2_500);
    expect(waits.left()).toBeGreaterThan(0);
    expect(streams.left()).toBe(0);
  });

  it("is that of one endpoint", async () => {
    const { clock, sentAt } = aSilence();
    const waits = sentAt();
    const other = sentAt(there);
    for (let second = 0; second < 4; second += 1) {
      other.waiting.heard();
      await clock.advance(1_000);
    }
    expect(waits.left()).toBeGreaterThan(0);
    expect(other.left()).toBe(0);
  });

  it("does not end a try that has begun, or is over", async () => {
    const { clock, sentAt } = aSilence();
    const [begun, over] = [sentAt(), sentAt()];
    begun.waiting.begun();
    over.waiting.over();
    await clock.advance(60_000);
    expect([begun.left(), over.left()]).toEqual([0, 0]);
  });

  it.each([
    ["without a prediction", 3_000, undefined],
    ["with an unknown prediction", 3_000, Number.NaN],
    ["if it is switched off", 0, 100],
  ])("waits for an ejection %s", async (_, silenceMsMin, predictedMs) => {
    const { clock, silence, sentAt } = aSilence(silenceMsMin);
    const waits = sentAt(here, { predictedMs });
    const elsewhere = sentAt(there, { predictedMs });
    await clock.advance(600_000);
    expect(waits.left()).toBe(0);
    silence.ejected(here);
    await clock.advance(0);
    expect(waits.left()).toBe(1);
    // It is asked again while no other endpoint may take it.
    await clock.advance(250);
    expect(waits.left()).toBe(2);
    expect(elsewhere.left()).toBe(0);
  });

  it("is over if an ejected endpoint is heard again", async () => {
    const { clock, silence, sentAt } = aSilence();
    const waits = sentAt(here, {});
    await clock.advance(1);
    silence.ejected(here);
    await clock.advance(250);
    const left = waits.left();
    expect(left).toBeGreaterThan(0);
    sentAt().waiting.heard();
    await clock.advance(2_000);
    expect(waits.left()).toBe(left);
  });
});
