import { describe, expect, it } from "vitest";
import { changeSettings, defaultEngineSettings } from "./engine-settings.ts";

describe("changeSettings", () => {
  it("changes the named settings and keeps the rest", () => {
    expect(changeSettings(defaultEngineSettings, { slowFactor: 4, hang: true })).toEqual({
      kind: "changed",
      settings: { ...defaultEngineSettings, slowFactor: 4, hang: true },
    });
  });

  it.each([
    [{ slowness: 2 }, "slowness: unknown setting"],
    [{ constructor: 2 }, "constructor: unknown setting"],
    [{ hang: 1 }, "hang: must be true or false, got 1"],
    [{ errorRatio: 1.5 }, "errorRatio: must be a number from 0 to 1, got 1.5"],
    [{ errorRatio: "1" }, 'errorRatio: must be a number from 0 to 1, got "1"'],
    [{ blockTokens: 1.5 }, "blockTokens: must be an integer from 1 to"],
    [{ loraSlotsMax: 0 }, "loraSlotsMax: must be an integer from 1 to"],
    [{ slowFactor: Number.NaN }, "slowFactor: must be a number"],
    [{ hang: true, kvCacheTokensMax: 8 }, "kvCacheTokensMax: with blockTokens 16 it must make"],
    [{ kvCacheTokensMax: 1_000_000_000 }, "kvCacheTokensMax: with blockTokens 16 it must make"],
  ])("refuses %j and names the setting", (patch, message) => {
    const changed = changeSettings(defaultEngineSettings, patch);
    expect(changed.kind === "invalid" && changed.message).toContain(message);
  });
});
