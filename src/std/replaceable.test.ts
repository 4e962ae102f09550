import { describe, expect, it } from "vitest";
import { aborted } from "./abort.ts";
import { Replaceable } from "./replaceable.ts";

describe("a replaceable part", () => {
  it("ends before its successor begins", async () => {
    const steps: string[] = [];
    const part = (name: string) => async (signal: AbortSignal) => {
      steps.push(`${name} begins`);
      await aborted(signal);
      await Promise.resolve();
      steps.push(`${name} ends`);
    };
    const replaceable = new Replaceable();
    replaceable.replace(part("a"));
    await Promise.resolve();
    replaceable.replace(part("b"));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    await replaceable.stop();
    expect(steps).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });

  it("runs only the last of several that come at once", async () => {
    const begun: string[] = [];
    const part = (name: string) => async (signal: AbortSignal) => {
      begun.push(name);
      await aborted(signal);
    };
    const replaceable = new Replaceable();
    for (const name of ["a", "b", "c"]) replaceable.replace(part(name));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    await replaceable.stop();
    expect(begun).toEqual(["c"]);
  });

  it("begins nothing once it was stopped", async () => {
    const replaceable = new Replaceable();
    await replaceable.stop();
    let runs = 0;
    replaceable.replace(() => Promise.resolve(void (runs += 1)));
    await replaceable.stop();
    expect(runs).toBe(0);
  });
});
