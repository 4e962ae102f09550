import { describe, expect, it } from "vitest";
import type { LatencyPrediction } from "../../../core/latency-prediction.ts";
import type { ApiDialect } from "../../../core/request.ts";
import { aContext, aDecision, aPrediction, aRequest } from "#test/support/builders.ts";
import { buildPlugin } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { enginePriorityWriter } from "./engine-priority.ts";

const arrivedAtMs = 1_700_000_000_000;

interface Case {
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly prediction?: Partial<LatencyPrediction> | undefined;
  readonly priority?: number;
  readonly dialect?: ApiDialect;
}

function valueOf({ parameters = {}, prediction, priority = 0, dialect = "chat" }: Case) {
  const context = aContext({ request: aRequest({ priority, dialect }) });
  const data = prediction === undefined ? {} : { "latency-prediction": aPrediction(prediction) };
  const { writer } = buildPlugin(enginePriorityWriter, parameters, pluginDeps({ data }));
  return writer?.fields({ context, decision: aDecision() }, arrivedAtMs)?.get("priority");
}

describe("engine-priority-writer", () => {
  it.each([
    ["is the time of arrival without a prediction", {}, arrivedAtMs],
    [
      "is the time of arrival if the endpoint was no candidate",
      { prediction: { ownPrefillMs: () => Number.NaN } },
      arrivedAtMs,
    ],
    [
      "is the time of arrival if the endpoint computes nothing",
      {
        prediction: { ownPrefillMs: () => Number.POSITIVE_INFINITY },
        parameters: { prefillFactor: 0 },
      },
      arrivedAtMs,
    ],
    [
      "is later for a longer prefill, in whole milliseconds",
      { prediction: { ownPrefillMs: () => 100.33 } },
      // 5 x 100.33 = 501.65
      arrivedAtMs + 502,
    ],
    [
      "is within what every engine reads exactly, however important the request is",
      { priority: 2 ** 31 - 1, parameters: { secondsPerPriority: 86_400 } },
      -Number.MAX_SAFE_INTEGER,
    ],
    [
      "is left out if the engine only counts tokens",
      { dialect: "count-tokens" as const },
      undefined,
    ],
  ])("%s", (_, asked, expected) => {
    expect(valueOf(asked)).toBe(expected);
  });

  it.each([{ prefillFactor: -1 }, { secondsPerPriority: Number.NaN }, { order: "low" }])(
    "refuses %j",
    (parameters) => {
      expect(enginePriorityWriter.load(parameters).kind).toBe("invalid");
    },
  );
});
