import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { systemClock } from "./clock.ts";

/** Longer than any test may run: a timer that is not cancelled would be noticed. */
const foreverMs = 3_600_000;

describe("systemClock", () => {
  it("goes forward", async () => {
    const startMs = systemClock.nowMs();
    await systemClock.sleep(2);
    // A timer may fire a fraction of a millisecond early.
    expect(systemClock.nowMs() - startMs).toBeGreaterThan(1);
  });

  it("knows the date", () => {
    expect(Math.abs(systemClock.wallMs() - new Date().getTime())).toBeLessThan(1_000);
  });

  it("runs a task after its delay", async () => {
    const ran = await new Promise((resolve) => {
      systemClock.after(1, () => resolve("ran"));
    });
    expect(ran).toBe("ran");
  });

  it("does not run a task that was cancelled, and takes a late or second cancel", async () => {
    let runs = 0;
    const cancel = systemClock.after(1, () => (runs += 1));
    cancel();
    cancel();
    await systemClock.sleep(5);
    expect(runs).toBe(0);
    const cancelLate = systemClock.after(0, () => (runs += 1));
    await systemClock.sleep(5);
    cancelLate();
    expect(runs).toBe(1);
  });

  it("wakes a sleeper at once when the signal aborts", async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(foreverMs, controller.signal);
    controller.abort();
    await expect(sleep).resolves.toBeUndefined();
    await expect(systemClock.sleep(foreverMs, controller.signal)).resolves.toBeUndefined();
  });

  it("lets go of the signal when the sleep is over", async () => {
    const { signal } = new AbortController();
    await systemClock.sleep(1, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
  });
});
