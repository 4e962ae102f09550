import { describe, expect, it } from "vitest";
import { aRecording } from "#test/support/recordings.ts";
import { defaultConfigText } from "../config/default-document.ts";
import { replayerOf } from "./replay.ts";
import { tune } from "./tune.ts";

/** Weights that send a prompt where its beginning is not cached. */
const document = `# kept
apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: prefix-cache-scorer
- type: max-score-picker
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: queue-scorer, weight: 1} # the queue
  - {pluginRef: prefix-cache-scorer, weight: -5}
  - {pluginRef: max-score-picker}
`;

const replayed = async () =>
  replayerOf(aRecording(160), {
    given: {},
    calibrates: false,
    warmUpShare: 0.1,
    waits: true,
    seed: 1,
  });

const options = { document, reference: defaultConfigText, onEvaluated: () => undefined };

describe("the search for weights", () => {
  it("finds better ones, keeps the rest of the document, and compares with the default", async () => {
    const calls: number[] = [];
    const tuned = await tune(await replayed(), {
      ...options,
      evaluationsMax: 4,
      onEvaluated: (evaluations) => calls.push(evaluations),
    });
    expect(calls).toEqual(Array.from({ length: tuned.evaluations }, (_, index) => index + 1));
    expect(tuned.evaluations).toBeLessThanOrEqual(4);
    expect(tuned.weights.map(({ plugin }) => plugin)).toEqual([
      "queue-scorer",
      "prefix-cache-scorer",
    ]);
    expect(tuned.weights[0]?.weight).toBe(1);
    expect(tuned.weights[1]?.weight).toBeGreaterThan(0);
    expect(tuned.meanMs.best).toBeLessThan(tuned.meanMs.start);
    expect(tuned.gain.change).toBeCloseTo(tuned.meanMs.best / tuned.meanMs.start - 1);
    expect(tuned.referenceGain.change).toBeCloseTo(tuned.meanMs.reference / tuned.meanMs.best - 1);
    expect(tuned.document).toContain("# kept");
    expect(tuned.document).toContain("# the queue");
    expect(tuned.document).toContain(`weight: ${tuned.weights[1]?.weight}`);
  });

  it.each([
    ["a document without weights", defaultConfigText, "no two weighted scorers"],
    ["a document with mistakes", "kind: Pod", "want EndpointPickerConfig"],
  ])("refuses %s", async (_, text, message) => {
    const searching = tune(await replayed(), { ...options, document: text, evaluationsMax: 1 });
    await expect(searching).rejects.toThrow(message);
  });
});
