import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { Capabilities, DataTypes } from "../../../core/data-plane-plugin.ts";
import { itKeepsTheProfileHandlerContract } from "#test/contract/profile-handler.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildHandler, mistakesIn, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { aPrefixMatch } from "#test/support/request-data.ts";
import { pdProfileHandler } from "./pd.ts";

const decodeEndpoint = anEndpoint({ slot: 1, port: 8_001 });
const prefillEndpoint = anEndpoint({ slot: 2 });
const names = ["prefill", "decode"];

const yes: Capabilities = { decider: { decide: () => true } };
const no: Capabilities = { decider: { decide: () => false } };
const plugins = { yes, no, "prefix-based-pd-decider": no };

const handlerOf = (parameters: unknown, data: Partial<DataTypes> = {}) =>
  buildHandler(pdProfileHandler, parameters, pluginDeps({ plugins, data }));

const chosen = (...profiles: string[]) =>
  new Map<string, readonly [Endpoint, ...Endpoint[]]>(
    profiles.map((name) => [name, [name === "prefill" ? prefillEndpoint : decodeEndpoint]]),
  );

/** True if prefill runs after decode has found its endpoint. */
function runsPrefill(parameters: unknown, data: Partial<DataTypes> = {}): boolean {
  const context = aContext({ chosen: chosen("decode") });
  return handlerOf(parameters, data).next(context, names, ["decode"]) === "prefill";
}

describe("pd-profile-handler", () => {
  itKeepsTheProfileHandlerContract(handlerOf({ threshold: 0 }), names);

  it("runs decode, and prefill if its decider says so", () => {
    const handler = handlerOf({ deciderPluginName: "yes" });
    expect(handler.next(aContext(), names, [])).toBe("decode");
    expect(runsPrefill({ deciderPluginName: "yes" })).toBe(true);
    expect(runsPrefill({ deciderPluginName: "no" })).toBe(false);
    const context = aContext({ chosen: chosen("decode", "prefill") });
    expect(handler.next(context, names, ["decode", "prefill"])).toBeUndefined();
    expect(handler.primary(["decode", "prefill"])).toBe("decode");
  });

  it("runs no other stage if decode finds no endpoint", () => {
    expect(handlerOf({ threshold: 0 }).next(aContext(), names, ["decode"])).toBeUndefined();
  });

  it("uses prefix-based-pd-decider by default", () => {
    expect(needsOf(pdProfileHandler, {})).toEqual([
      {
        kind: "plugin",
        name: "prefix-based-pd-decider",
        as: "decider",
        path: ["deciderPluginName"],
      },
    ]);
    expect(runsPrefill({})).toBe(false);
  });

  it("always prefills with the threshold 0, and needs no plugin for it", () => {
    expect(runsPrefill({ threshold: 0 })).toBe(true);
    expect(needsOf(pdProfileHandler, { threshold: 0 })).toEqual([]);
  });

  it.each([
    // ceil(100 / 4) = 25 tokens: 100 - 1 x 64 = 36, 89 - 64 = 25, 88 - 64 = 24
    { threshold: 100, tokens: 100, answer: true },
    { threshold: 100, tokens: 89, answer: true },
    { threshold: 100, tokens: 88, answer: false },
    // ceil(101 / 4) = 26
    { threshold: 101, tokens: 89, answer: false },
    // ceil(1 / 4) = 1: 65 - 64 = 1, 64 - 64 = 0
    { threshold: 1, tokens: 65, answer: true },
    { threshold: 1, tokens: 64, answer: false },
  ])("says $answer for $tokens tokens, 64 of them cached, at threshold $threshold", (row) => {
    const data = {
      "prompt-tokens": row.tokens,
      "prefix-match": aPrefixMatch({ totalBlocks: 2, matchedBlocks: [0, 1] }),
    };
    expect(runsPrefill({ threshold: row.threshold }, data)).toBe(row.answer);
  });

  it("needs tokens and matches for a threshold above 0", () => {
    const parameters = { threshold: 100, prefixMatchInfoProducerName: "p" };
    expect(needsOf(pdProfileHandler, parameters)).toMatchObject([
      { data: "prompt-tokens", producer: undefined },
      { data: "prefix-match", producer: "p" },
    ]);
  });

  it("goes to the decode endpoint and names the prefill endpoint", () => {
    const context = aContext({ chosen: chosen("decode", "prefill") });
    expect(handlerOf({ threshold: 0 }).dispatch?.(context, decodeEndpoint)).toEqual({
      hostPort: "10.0.0.1:8001",
      requestHeaders: [["x-prefiller-host-port", "10.0.0.2:8000"]],
    });
    expect(handlerOf({ threshold: 0 }).helpers).toEqual(["prefill"]);
  });

  it("goes to the primary port, if there is one, and names the rank", () => {
    const context = aContext({ chosen: chosen("decode", "prefill") });
    const handler = handlerOf({ threshold: 0, primaryPort: 8_000 });
    expect(handler.dispatch?.(context, decodeEndpoint)).toEqual({
      hostPort: "10.0.0.1:8000",
      requestHeaders: [
        ["x-prefiller-host-port", "10.0.0.2:8000"],
        ["x-data-parallel-host-port", "10.0.0.1:8001"],
      ],
    });
  });

  it("takes other names of its profiles", () => {
    const handler = handlerOf({ decodeProfile: "d", prefillProfile: "p", threshold: 0 });
    expect(handler.next(aContext(), ["d", "p"], [])).toBe("d");
    expect(handler.helpers).toEqual(["p"]);
    const other = handlerOf({ decodeProfile: "", prefillProfileName: "p2", threshold: 0 });
    expect(other.next(aContext(), ["decode"], [])).toBe("decode");
    expect(other.helpers).toEqual(["p2"]);
  });

  it("reports missing profiles", () => {
    expect(handlerOf({ threshold: 0 }).mistakeIn(["decode"])).toBe(
      "pd-profile-handler needs the scheduling profile prefill; there are: decode",
    );
  });

  it("accepts the parameters of older documents", () => {
    const parameters = {
      threshold: 100,
      decodeProfile: "my-decode",
      prefillProfile: "my-prefill",
      prefixPluginType: "prefix-cache-scorer",
      prefixPluginName: "my-prefix-cache",
      hashBlockSize: 32,
      primaryPort: 8_080,
    };
    expect(pdProfileHandler.load(parameters).kind).toBe("loaded");
  });

  it("accepts a threshold or a decider, not both", () => {
    expect(mistakesIn(pdProfileHandler, { threshold: 0, deciderPluginName: "yes" })).toEqual([
      "threshold: replaces deciderPluginName: remove one of them",
    ]);
  });

  it.each([
    { threshold: -1 },
    { threshold: 1.5 },
    { primaryPort: -1 },
    { primaryPort: 65_536 },
    { deciders: { prefill: "yes" } },
  ])("refuses %j", (parameters) => {
    expect(pdProfileHandler.load(parameters).kind).toBe("invalid");
  });
});
