import { getEventListeners } from "node:events";
import { describe, expect, it } from "vitest";
import { aborted } from "./abort.ts";

describe("aborted", () => {
  it("resolves at once where the signal has aborted", async () => {
    await expect(aborted(AbortSignal.abort())).resolves.toBeUndefined();
  });

  it("resolves when the signal aborts, and not before", async () => {
    const controller = new AbortController();
    let isOver = false;
    const over = aborted(controller.signal).then(() => (isOver = true));
    await Promise.resolve();
    expect(isOver).toBe(false);
    controller.abort(new Error("a reason is no failure"));
    await over;
    expect(isOver).toBe(true);
  });

  it("lets go of the signal once it has aborted", async () => {
    const controller = new AbortController();
    const over = aborted(controller.signal);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    controller.abort();
    await over;
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  });
});
