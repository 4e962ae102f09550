import { describe, expect, it } from "vitest";
import { judgeDecisions, type ShownDecision } from "./judge-decisions.ts";

type ShownProfile = ShownDecision["profiles"][number];

function aRecord(parts: Partial<ShownDecision>): ShownDecision {
  return {
    ...{ id: 1, requestId: "r", at: "", api: "chat", model: "m", targetModel: "m", priority: 0 },
    ...{
      promptTokens: 9,
      profile: "default",
      picked: ["a"],
      refusal: undefined,
      refusalMessage: undefined,
      rollout: undefined,
      stay: undefined,
    },
    ...{ margin: undefined, candidates: [], candidateCount: 2, isWhole: true, leftOut: [] },
    ...{ profiles: [], predicted: undefined, actual: undefined },
    ...parts,
  };
}

/** A profile of two scorers over endpoints a and b. */
function aProfile(
  picked: string,
  [prefixA, prefixB]: readonly [number, number],
  [queueA, queueB]: readonly [number, number],
): ShownProfile {
  return {
    ...{ name: "default", unwell: [], filters: [], picked: [picked] },
    scorers: [
      { name: "prefix", weight: 3 },
      { name: "queue", weight: 2 },
    ],
    totals: [
      { endpoint: "a", total: 1, scores: { prefix: prefixA, queue: queueA } },
      { endpoint: "b", total: 1, scores: { prefix: prefixB, queue: queueB } },
    ],
  };
}

const times = (count: number, profile: ShownProfile) =>
  Array.from({ length: count }, () => aRecord({ profiles: [profile] }));
const opposite = aProfile("a", [1, 0], [0, 1]);
const weightless = {
  ...opposite,
  scorers: opposite.scorers.map(({ name }) => ({ name, weight: name === "queue" ? 0 : 3 })),
};
const agreed = aProfile("b", [0, 1], [0.2, 0.9]);
const judged = (decisions: readonly ShownDecision[]) => judgeDecisions("u", decisions);

describe("weights that fight", () => {
  it("are two scorers that mostly prefer different endpoints, with the winner of each", () => {
    const other = aProfile("b", [1, 0], [0, 1]);
    const [finding, ...more] = judged([
      ...times(12, opposite),
      ...times(4, other),
      ...times(16, agreed),
    ]);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ code: "weights-fight", severity: "warning", subject: "u" });
    expect(finding?.what).toBe(
      "prefix (weight 3) and queue (weight 2) preferred different endpoints in 16 of 32 decisions; the first won 12 times, the second 4",
    );
  });

  it.each([
    ["agree in more than half", [...times(15, opposite), ...times(16, agreed)]],
    ["decided less than 30 times", times(29, opposite)],
    ["do not both prefer one endpoint", times(60, aProfile("a", [1, 0], [1, 1]))],
    ["have a weight of 0", times(60, weightless)],
    ["have no numbers any more", times(60, { ...opposite, totals: undefined })],
  ])("are none if they %s", (_, decisions) => {
    expect(judged(decisions)).toEqual([]);
  });

  it("are none in a pool of one endpoint", () => {
    const one = { ...opposite, totals: opposite.totals?.slice(0, 1) };
    expect(judged(times(60, one))).toEqual([]);
  });
});

describe("models that are not served", () => {
  it("are named once each, with the numbers of requests and not of attempts", () => {
    const lost = { refusal: "model_not_found", targetModel: "sql-v2", picked: [] } as const;
    const decisions = [
      ...[aRecord({ ...lost, requestId: "1" }), aRecord({ ...lost, requestId: "1" })],
      ...[aRecord({ ...lost, requestId: "2" }), aRecord({ refusal: "no_endpoints" })],
      ...[aRecord({ requestId: "3" })],
    ];
    expect(judged(decisions).map(({ code, what }) => [code, what])).toEqual([
      ["model-not-served", 'no endpoint serves "sql-v2"; of the last 4 requests, 2 asked for it'],
    ]);
  });
});
