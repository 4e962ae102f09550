import { describe, expect, it } from "vitest";
import { z } from "zod";
import { buildGraph, type GraphSpec } from "./build-graph.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import {
  filterPlugin,
  pickerPlugin,
  profileHandlerPlugin,
  type SchedulingPlugin,
  scorerPlugin,
} from "./plugin.ts";
import { singleProfileHandler } from "./profiles/single.ts";
import { queueScorer } from "./scorers/queue.ts";

type Use = GraphSpec["handler"];

const use = (plugin: SchedulingPlugin, parameters: unknown = {}, name = plugin.type): Use => ({
  name,
  plugin,
  parameters,
});
const weighing = (of: Use, weight = 1) => ({ use: of, weight });
const deps = { random: () => 0 };

const keepAll = filterPlugin({
  type: "keep-all",
  params: z.strictObject({}),
  create: () => ({ filter: (_context, candidates) => candidates }),
});

/** Notes every instance it makes, by its parameter. */
function countedScorer(made: string[]) {
  return scorerPlugin({
    type: "counted",
    params: z.strictObject({ label: z.string().default("unnamed") }),
    create: ({ label }) => {
      made.push(label);
      return { score: () => undefined };
    },
  });
}

function built(spec: GraphSpec) {
  const result = buildGraph(spec, deps);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.graph;
}

describe("buildGraph", () => {
  it("sorts a profile's plugins into filters, scorers with weights, and the picker", () => {
    const plugins = [
      weighing(use(queueScorer), 2.5),
      weighing(use(keepAll)),
      weighing(use(maxScorePicker)),
    ];
    const { profiles } = built({
      handler: use(singleProfileHandler),
      profiles: [{ name: "default", plugins }],
    });
    const profile = profiles.get("default");
    expect(profile?.name).toBe("default");
    expect(profile?.filters).toHaveLength(1);
    expect(profile?.scorers.map(({ weight }) => weight)).toEqual([2.5]);
    expect(profile?.picker.pick(Float64Array.of(1, 3, 2))).toEqual([1]);
  });

  it("keeps profiles in their order", () => {
    const twoProfiles = profileHandlerPlugin({
      type: "two",
      params: z.strictObject({}),
      create: () => ({
        next: () => undefined,
        primary: () => undefined,
        mistakeIn: () => undefined,
      }),
    });
    const plugins = [weighing(use(maxScorePicker))];
    const { profiles } = built({
      handler: use(twoProfiles),
      profiles: [
        { name: "z", plugins },
        { name: "a", plugins },
      ],
    });
    expect([...profiles.keys()]).toEqual(["z", "a"]);
  });

  it("builds a plugin once for all its uses, and once for each of its names", () => {
    const made: string[] = [];
    const counted = countedScorer(made);
    const shared = use(counted, { label: "shared" }, "shared");
    const other = use(counted, { label: "other" }, "other");
    buildGraph(
      {
        handler: use(singleProfileHandler),
        profiles: [
          { name: "a", plugins: [weighing(shared), weighing(shared, 3), weighing(other)] },
          { name: "b", plugins: [weighing(shared)] },
        ],
      },
      deps,
    );
    expect(made).toEqual(["shared", "other"]);
  });

  it("builds with the parameters' defaults and with the deps it was given", () => {
    const chance: number[] = [];
    const made: string[] = [];
    const noting = pickerPlugin({
      type: "noting",
      params: z.strictObject({}),
      create: (_params, { random }) => ({
        pick: () => {
          chance.push(random());
          return [0];
        },
      }),
    });
    const result = buildGraph(
      {
        handler: use(singleProfileHandler),
        profiles: [
          {
            name: "default",
            plugins: [weighing(use(countedScorer(made))), weighing(use(noting))],
          },
        ],
      },
      { random: () => 0.25 },
    );
    expect(made).toEqual(["unnamed"]);
    if (result.kind === "built")
      result.graph.profiles.get("default")?.picker.pick(new Float64Array(1));
    expect(chance).toEqual([0.25]);
  });

  it("reports every profile without a picker and what the handler has against them", () => {
    const plugins = [weighing(use(queueScorer))];
    const spec = {
      handler: use(singleProfileHandler),
      profiles: [
        { name: "a", plugins },
        { name: "b", plugins },
      ],
    };
    expect(buildGraph(spec, deps)).toEqual({
      kind: "invalid",
      mistakes: [
        "schedulingProfiles: a has no picker",
        "schedulingProfiles: b has no picker",
        "schedulingProfiles: single-profile-handler runs exactly one scheduling profile, there are 2",
      ],
    });
  });

  it("refuses a handler that is none", () => {
    const spec = {
      handler: use(queueScorer),
      profiles: [{ name: "default", plugins: [weighing(use(maxScorePicker))] }],
    };
    expect(buildGraph(spec, deps)).toEqual({
      kind: "invalid",
      mistakes: ["queue-scorer is not a profile handler"],
    });
  });

  it("throws for parameters that no loader can have accepted", () => {
    const spec = {
      handler: use(singleProfileHandler),
      profiles: [{ name: "default", plugins: [weighing(use(maxScorePicker, { bogus: 1 }))] }],
    };
    expect(() => buildGraph(spec, deps)).toThrow(/max-score-picker/);
  });
});
