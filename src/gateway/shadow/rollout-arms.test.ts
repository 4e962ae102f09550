import { describe, expect, it } from "vitest";
import { aHead, aRecord, aRequest } from "#test/support/builders.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { InferenceRequest } from "../../core/request.ts";
import type { RolloutSettings } from "../../core/rollout-settings.ts";
import type { SecondArm } from "../../data-plane/second-decider.ts";
import { Rollout } from "./rollout.ts";
import { RolloutArms } from "./rollout-arms.ts";

const settings: RolloutSettings = {
  steps: [0.3],
  stickBy: "conversation",
  stepMs: 1,
  stepRequests: 1_000_000,
  stepMsMax: 1e9,
  ttftRiseMax: 0.15,
  tpotRiseMax: 0.15,
  errorRiseMax: 0.005,
  confidence: 0.95,
};
const ignored = { stepped: () => {}, promoted: () => {}, rolledBack: () => {} };
// Of the arm, only its identity is used.
const arm = { failed: () => {} } as unknown as SecondArm;

function someArms(parts: Partial<RolloutSettings> = {}) {
  const arms = new RolloutArms({ nowMs: () => 2_000 });
  const rollout = new Rollout({ ...settings, ...parts }, ignored, 0);
  arms.running = { rollout, arm, hash: "abc", salt: 1 };
  return { arms, rollout, armOf: (request: InferenceRequest) => arms.assignmentOf(request)?.arm };
}

/** A request of a conversation, with a head of its own. */
const aTurn = (conversation: number, tenant = ""): InferenceRequest =>
  aRequest({
    head: aHead({ headers: new Map([["x-llm-d-inference-fairness-id", tenant]]) }),
    prompts: [[{ kind: "text", text: `conversation ${conversation}` }]],
    isStreaming: true,
  });

const over = (request: InferenceRequest, parts: Partial<RequestRecord> = {}) =>
  aRecord({ head: request.head, request, ...parts });

describe("RolloutArms", () => {
  it("assigns the share of the conversations, each with all of its requests", () => {
    const { armOf } = someArms();
    const isShadow = (conversation: number) => armOf(aTurn(conversation)) === arm;
    const first = Array.from({ length: 2_000 }, (_, each) => isShadow(each));
    expect(Array.from({ length: 2_000 }, (_, each) => isShadow(each))).toEqual(first);
    // 600, give or take five standard deviations of 20.5.
    expect(Math.abs(first.filter(Boolean).length - 600)).toBeLessThan(103);
  });

  it("assigns tenants as a whole if told, and still tells their conversations apart", () => {
    const { arms, armOf, rollout } = someArms({ stickBy: "tenant" });
    const tenants = Array.from({ length: 50 }, (_, tenant) => `tenant-${tenant}`);
    const chosen = tenants.find((tenant) => armOf(aTurn(0, tenant)) === arm) ?? "";
    for (let each = 0; each < 2; each += 1) {
      const request = aTurn(each, chosen);
      expect(armOf(request)).toBe(arm);
      arms.ended(over(request, { httpStatus: 500 }));
    }
    expect(rollout.comparison.errors.errors.shadow).toBe(2);
  });

  it("lets the document in force decide about a request at which the shadow threw, and counts the error", () => {
    const { arms, armOf, rollout } = someArms();
    const request = Array.from({ length: 50 }, (_, each) => aTurn(each)).find(
      (turn) => armOf(turn) === arm,
    );
    if (request === undefined) throw new Error("30 % of 50 are some");
    arms.thrown(request.head);
    expect(armOf(request)).toBeUndefined();
    arms.ended(over(request));
    expect(rollout.comparison.errors.errors).toEqual({ inForce: 0, shadow: 1 });
  });

  it("counts neither clients that leave nor requests that nobody decided about", () => {
    const { arms, armOf, rollout } = someArms();
    const request = aTurn(1);
    arms.ended(over(request));
    armOf(request);
    arms.ended(over(request, { end: "aborted", endedBy: "client" }));
    expect(rollout.comparison.errors.requests).toEqual({ inForce: 0, shadow: 0 });
  });

  it.each([
    { by: "session", parts: { sessionKey: "s" } },
    { by: "conversation", parts: { storedId: "c" } },
    { by: "opening", parts: { openingParts: 1 } },
    { by: "prompt", parts: {} },
    { by: "tenant", parts: { prompts: [] } },
  ])("says that a request is assigned by its $by", ({ by, parts }) => {
    const { arms } = someArms();
    const assigned = arms.assignmentOf({ ...aTurn(1), ...parts });
    expect(assigned?.rollout).toMatchObject({ assignedBy: by, shareRatio: 0.3, shadowHash: "abc" });
  });

  it("says by what the other document decides: a throw, a rollback", () => {
    const { arms, rollout, armOf } = someArms({ stickBy: "tenant" });
    const tenants = Array.from({ length: 50 }, (_, tenant) => aTurn(0, `tenant-${tenant}`));
    const request = tenants.find((turn) => armOf(turn) === arm);
    if (request === undefined) throw new Error("30 % of 50 are some");
    const shown = () => arms.assignmentOf(request)?.rollout;
    expect(shown()).toMatchObject({ decidedBy: "shadow", assignedBy: "tenant", hasThrown: false });
    arms.thrown(request.head);
    expect(shown()).toMatchObject({ decidedBy: "inForce", hasThrown: true, state: "comparing" });
    for (let each = 0; rollout.state === "comparing" && each < 500; each += 1) {
      const bad = aTurn(each, request.head.headers.get("x-llm-d-inference-fairness-id"));
      armOf(bad);
      arms.ended(over(bad, { end: "aborted", endedBy: "engine" }));
      const good = tenants.find((turn) => armOf(turn) === undefined);
      if (good !== undefined) arms.ended(over(good));
    }
    expect(arms.assignmentOf(aTurn(1))?.rollout).toMatchObject({
      decidedBy: "inForce",
      state: "rolledBack",
      shareRatio: 0,
    });
  });

  it("decides about nothing without a rollout", () => {
    const { arms, armOf } = someArms();
    arms.running = undefined;
    expect(armOf(aTurn(1))).toBeUndefined();
    expect(arms.arm).toBeUndefined();
  });
});
