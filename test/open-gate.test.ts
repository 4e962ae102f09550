import fc from "fast-check";
import { expect, it } from "vitest";
import { planOfCell } from "../loadtest/lab/cells.ts";
import { defaultConfigText } from "../src/config/default-document.ts";
import { runOnce } from "../src/replay/lab/run.ts";
import { defaultSetup } from "../src/replay/lab/setup.ts";

const runMs = 4_000;
/** It takes a few seconds, and much more while other suites have the cores. */
const busyMs = 120_000;
const endMs = 600_000;

/** The default document with flow control, whose gate opens at any load that a run reaches. */
const gatedText = defaultConfigText
  .replace(
    "plugins:\n",
    "featureGates: [flowControl]\nplugins:\n- {type: expected-wait-detector, parameters: {maxWaitSeconds: 1e9}}\n",
  )
  .concat("flowControl: {saturationDetector: {pluginRef: expected-wait-detector}}\n");

const cells = fc.record({
  workload: fc.constantFrom("chat", "mixed", "agents", "groups", "burst", "lora-zipf", "batch"),
  load: fc.double({ min: 0.2, max: 1.5, noNaN: true }),
  seed: fc.integer({ min: 1, max: 1_000_000 }),
  engines: fc.integer({ min: 1, max: 6 }),
  streamShare: fc.constantFrom(0, 0.3, 1),
});

it(
  "sends every request where and when it goes without flow control, if no request has to wait",
  async () => {
    let requests = 0;
    await fc.assert(
      fc.asyncProperty(cells, async ({ workload, load, seed, engines, streamShare }) => {
        const setup = { ...defaultSetup, engines, streamShare };
        // Of one priority: engines are kept for the higher ones of several.
        const only = workload === "batch" ? "batch" : undefined;
        const plan = planOfCell({
          ...{ workload, load, seed, setup, policies: [], traceFile: undefined },
          ...{ lengthMs: runMs, drainMs: 0, warmUpMs: 0, onlyObjective: only },
        });
        const sentBy = async (document: string) => {
          const policy = { name: workload, document };
          const { sent } = await runOnce({ plan, setup, policy, seed, endMs });
          return sent;
        };
        const sent = await sentBy(gatedText);
        requests += sent.length;
        expect(sent).toEqual(await sentBy(defaultConfigText));
      }),
      { numRuns: 15 },
    );
    expect(requests).toBeGreaterThan(200);
  },
  busyMs,
);
