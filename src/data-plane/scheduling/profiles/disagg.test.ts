import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { Capabilities } from "../../../core/data-plane-plugin.ts";
import { itKeepsTheProfileHandlerContract } from "#test/contract/profile-handler.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildHandler, mistakesIn, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { disaggProfileHandler } from "./disagg.ts";

const decodeEndpoint = anEndpoint({ slot: 1 });
const prefillEndpoint = anEndpoint({ slot: 2 });
const encodeEndpoints = [anEndpoint({ slot: 3 }), anEndpoint({ slot: 4, address: "fd00::4" })];

const yes: Capabilities = { decider: { decide: () => true } };
const no: Capabilities = { decider: { decide: () => false } };
const deps = pluginDeps({ plugins: { yes, no } });

const handlerOf = (parameters: unknown) => buildHandler(disaggProfileHandler, parameters, deps);

/** Picks of each profile; a profile without an entry picks nothing. */
type Found = Readonly<Record<string, readonly [Endpoint, ...Endpoint[]]>>;

const everything: Found = {
  decode: [decodeEndpoint],
  prefill: [prefillEndpoint],
  encode: [anEndpoint({ slot: 3 }), anEndpoint({ slot: 4, address: "fd00::4" })],
};

/** The profiles that run, in their order, as the scheduler would run them. */
function profilesRun(parameters: unknown, found: Found = everything): readonly string[] {
  const handler = handlerOf(parameters);
  const chosen = new Map<string, readonly [Endpoint, ...Endpoint[]]>();
  const run: string[] = [];
  for (;;) {
    const next = handler.next(aContext({ chosen }), ["encode", "prefill", "decode"], run);
    if (next === undefined) return run;
    run.push(next);
    const picked = found[next];
    if (picked !== undefined) chosen.set(next, picked);
  }
}

/** The endpoints that each decider decides about, in order. */
function asked(parameters: object, found: Found): readonly string[] {
  const questions: string[] = [];
  const noting = (stage: string): Capabilities => ({
    decider: {
      decide: (_context, endpoint) => {
        questions.push(`${stage} ${endpoint?.name ?? "nobody"}`);
        return true;
      },
    },
  });
  const plugins = { "p-decider": noting("prefill"), "e-decider": noting("encode") };
  const handler = buildHandler(disaggProfileHandler, parameters, pluginDeps({ plugins }));
  const chosen = new Map(Object.entries(found));
  const run: string[] = [];
  for (;;) {
    const next = handler.next(aContext({ chosen }), Object.keys(found), run);
    if (next === undefined) return questions;
    run.push(next);
  }
}

const dispatched = (parameters: object, found: Found) =>
  handlerOf(parameters).dispatch?.(
    aContext({ chosen: new Map(Object.entries(found)) }),
    decodeEndpoint,
  );

const both = { deciders: { prefill: "yes", encode: "yes" } };

describe("disagg-profile-handler", () => {
  itKeepsTheProfileHandlerContract(handlerOf(both), ["encode", "prefill", "decode"]);

  describe("in prefill-first", () => {
    itKeepsTheProfileHandlerContract(
      handlerOf({ stageOrder: "prefill-first", deciders: { encode: "yes" } }),
      ["encode", "prefill", "decode"],
    );
  });

  it.each([
    { parameters: {}, run: ["decode"] },
    { parameters: { deciders: { prefill: "yes" } }, run: ["decode", "prefill"] },
    { parameters: { deciders: { prefill: "no" } }, run: ["decode"] },
    { parameters: { deciders: { encode: "yes" } }, run: ["decode", "encode"] },
    { parameters: both, run: ["decode", "encode", "prefill"] },
    { parameters: { deciders: { prefill: "yes", encode: "no" } }, run: ["decode", "prefill"] },
    { parameters: { deciders: { prefill: "no", encode: "yes" } }, run: ["decode", "encode"] },
    { parameters: { stageOrder: "prefill-first" }, run: ["prefill", "decode"] },
    {
      parameters: { stageOrder: "prefill-first", deciders: { encode: "yes" } },
      run: ["prefill", "encode", "decode"],
    },
    {
      parameters: { stageOrder: "prefill-first", deciders: { encode: "no" } },
      run: ["prefill", "decode"],
    },
  ])("runs $run for $parameters", ({ parameters, run }) => {
    expect(profilesRun(parameters)).toEqual(run);
  });

  it("runs no other stage if decode finds no endpoint, so that the request is refused", () => {
    expect(profilesRun(both, {})).toEqual(["decode"]);
    expect(handlerOf(both).primary(["decode"])).toBe("decode");
  });

  it("continues if another stage finds no endpoint", () => {
    expect(profilesRun(both, { decode: [decodeEndpoint] })).toEqual([
      "decode",
      "encode",
      "prefill",
    ]);
    const prefillFirst = { stageOrder: "prefill-first", deciders: { encode: "yes" } };
    expect(profilesRun(prefillFirst, {})).toEqual(["prefill", "encode", "decode"]);
  });

  describe("calls of its deciders", () => {
    it("are one each, about the decode endpoint", () => {
      const deciders = { prefill: "p-decider", encode: "e-decider" };
      expect(asked({ deciders }, everything)).toEqual(["encode engine-1", "prefill engine-1"]);
    });

    it("are about the prefill endpoint in prefill-first, or about none", () => {
      const parameters = { stageOrder: "prefill-first", deciders: { encode: "e-decider" } };
      expect(asked(parameters, everything)).toEqual(["encode engine-2"]);
      expect(asked(parameters, { decode: [decodeEndpoint] })).toEqual(["encode nobody"]);
    });
  });

  describe("dispatch", () => {
    it("goes to the decode endpoint and names the endpoints of earlier stages", () => {
      expect(dispatched(both, everything)).toEqual({
        hostPort: "10.0.0.1:8000",
        requestHeaders: [
          ["x-prefiller-host-port", "10.0.0.2:8000"],
          ["x-encoder-hosts-ports", encodeEndpoints.map(({ hostPort }) => hostPort).join(",")],
        ],
      });
    });

    it("names every prefill endpoint that was picked, best first", () => {
      const found: Found = { decode: [decodeEndpoint], prefill: [prefillEndpoint, decodeEndpoint] };
      expect(dispatched(both, found)?.requestHeaders).toEqual([
        ["x-prefiller-host-port", "10.0.0.2:8000,10.0.0.1:8000"],
      ]);
    });

    it("sets no header for a stage that did not run or found no endpoint", () => {
      expect(dispatched(both, { decode: [decodeEndpoint] })?.requestHeaders).toEqual([]);
    });
  });

  it("counts the prefill endpoint as a helper, which caches the prompt", () => {
    expect(handlerOf(both).helpers).toEqual(["prefill"]);
    expect(handlerOf({ stageOrder: "prefill-first" }).helpers).toEqual(["prefill"]);
    expect(handlerOf({}).helpers).toEqual([]);
  });

  it("needs its deciders", () => {
    expect(needsOf(disaggProfileHandler, both)).toEqual([
      { kind: "plugin", name: "yes", as: "decider", path: ["deciders", "prefill"] },
      { kind: "plugin", name: "yes", as: "decider", path: ["deciders", "encode"] },
    ]);
    expect(needsOf(disaggProfileHandler, {})).toEqual([]);
  });

  it.each([
    { parameters: {}, names: ["default"], mistake: "decode; there are: default" },
    { parameters: both, names: ["decode"], mistake: "prefill and encode; there are: decode" },
    { parameters: both, names: [], mistake: "decode and prefill and encode; there are: none" },
    {
      parameters: { stageOrder: "prefill-first" },
      names: ["decode"],
      mistake: "prefill; there are: decode",
    },
    {
      parameters: { profiles: { prefill: "p" }, deciders: { prefill: "yes" } },
      names: ["decode", "prefill"],
      mistake: "p; there are: decode, prefill",
    },
  ])("misses $mistake", ({ parameters, names, mistake }) => {
    expect(handlerOf(parameters).mistakeIn(names)).toBe(
      `disagg-profile-handler needs the scheduling profile ${mistake}`,
    );
  });

  it("needs no profile for a stage that it does not have, and accepts others", () => {
    expect(handlerOf({}).mistakeIn(["decode", "extra"])).toBeUndefined();
  });

  it("requires a profile for each of its stages", () => {
    const handler = handlerOf({ profiles: { prefill: "decode" }, deciders: { prefill: "yes" } });
    expect(handler.mistakeIn(["decode"])).toBe(
      "disagg-profile-handler needs a separate profile for each stage, but decode is named for two",
    );
  });
});

describe("the parameters of disagg-profile-handler", () => {
  const settings = {
    stageOrder: "decode-first",
    profiles: { decode: "d", prefill: "p", encode: "e" },
    deciders: { prefill: "yes", encode: "no" },
  };

  it.each([
    { form: "nested", parameters: settings },
    {
      form: "flat",
      parameters: {
        decodeProfile: "d",
        prefillProfile: "p",
        encodeProfile: "e",
        prefillDeciderPluginName: "yes",
        encodeDeciderPluginName: "no",
      },
    },
    {
      form: "older flat",
      parameters: {
        decodeProfile: "d",
        prefillProfile: "p",
        encodeProfile: "e",
        deciderPluginName: "yes",
        encodeDeciderPluginName: "no",
      },
    },
  ])("are taken in their $form form", ({ parameters }) => {
    expect(disaggProfileHandler.load(parameters)).toMatchObject({ parameters: settings });
  });

  it("have defaults", () => {
    expect(disaggProfileHandler.load({})).toMatchObject({
      parameters: {
        stageOrder: "decode-first",
        profiles: { decode: "decode", prefill: "prefill", encode: "encode" },
        deciders: { prefill: undefined, encode: undefined },
      },
    });
  });

  it("treat an empty name as a missing one", () => {
    const parameters = { profiles: { decode: "" }, deciders: { prefill: "" } };
    expect(disaggProfileHandler.load(parameters)).toMatchObject({
      parameters: { profiles: { decode: "decode" }, deciders: { prefill: undefined } },
    });
  });

  it("prefer prefillDeciderPluginName to deciderPluginName", () => {
    const parameters = { prefillDeciderPluginName: "yes", deciderPluginName: "no" };
    expect(disaggProfileHandler.load(parameters)).toMatchObject({
      parameters: { deciders: { prefill: "yes" } },
    });
  });

  it.each([
    { spelling: "", order: "decode-first" },
    { spelling: "decode", order: "decode-first" },
    { spelling: "DecodeFirst", order: "decode-first" },
    { spelling: "prefill", order: "prefill-first" },
    { spelling: "prefill_first", order: "prefill-first" },
  ])("read the stage order $spelling as $order", ({ spelling, order }) => {
    expect(disaggProfileHandler.load({ stageOrder: spelling })).toMatchObject({
      parameters: { stageOrder: order },
    });
  });

  it.each([
    {
      parameters: { stageOrder: "encode-first" },
      mistake: "stageOrder: is decode-first or prefill-first",
    },
    {
      parameters: { profiles: {}, decodeProfile: "d" },
      mistake: "decodeProfile: is the older form: remove either it or profiles and deciders",
    },
    {
      parameters: { stageOrder: "prefill-first", deciders: { prefill: "yes" } },
      mistake: "deciders.prefill: has no effect in prefill-first, which always runs prefill",
    },
  ])("are refused: $mistake", ({ parameters, mistake }) => {
    expect(mistakesIn(disaggProfileHandler, parameters)).toEqual([mistake]);
  });

  it.each([{ primaryPort: 8_000 }, { deciders: { decode: "yes" } }, { profiles: "decode" }])(
    "are refused: %j",
    (parameters) => {
      expect(disaggProfileHandler.load(parameters).kind).toBe("invalid");
    },
  );
});
