import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { Plan, PluginUse } from "../../core/plan.ts";
import type { DataKind } from "../../core/plugin.ts";
import { aContext } from "#test/support/builders.ts";
import type { MemoryKind } from "../../core/plugin-states.ts";
import { PluginMemory } from "../../state/plugin-memory.ts";
import {
  type Capabilities,
  type DataPlanePlugin,
  dataPlanePlugin,
  filterPlugin,
  type PluginDeps,
  scorerPlugin,
} from "../../core/data-plane-plugin.ts";
import { buildGraph, type GraphDeps } from "./build-graph.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import { singleProfileHandler } from "./profiles/single.ts";
import { queueScorer } from "./scorers/queue.ts";

type Use = PluginUse<Capabilities, PluginDeps>;

/** Inputs of the graph. */
interface GraphSpec extends Pick<Plan, "handler" | "detector" | "profiles" | "producerOf"> {
  readonly plugins: readonly Use[];
}

/** A plugin as a document names it, its parameters accepted. */
function use(plugin: DataPlanePlugin, name = plugin.type, parameters: unknown = {}): Use {
  const loaded = plugin.load(parameters);
  if (loaded.kind === "invalid") throw new Error(JSON.stringify(loaded.mistakes));
  return { name, plugin, loaded, origin: "declared" };
}

/** A plugin in a profile: the graph knows it by its name. */
const ref = (name: string, weight = 1) => ({ use: use(keepAll, name), weight });

const detector = dataPlanePlugin({
  type: "a-detector",
  kinds: ["saturation-detector"],
  summary: "",
  params: z.strictObject({}),
  create: () => ({ detector: { saturation: () => 0.5 } }),
});

const keepAll = filterPlugin({
  type: "keep-all",
  summary: "",
  params: z.strictObject({}),
  create: () => ({ filter: (_context, candidates) => candidates }),
});

/** A plugin with the given capabilities, which records its dependencies. */
function noting(notes: PluginDeps[], is: Capabilities = {}, produces?: DataKind): DataPlanePlugin {
  return dataPlanePlugin({
    type: "noting",
    kinds: ["data-producer"],
    ...(produces && { produces }),
    summary: "",
    params: z.strictObject({}),
    create: (_params, deps) => {
      notes.push(deps);
      return is;
    },
  });
}

const deps: GraphDeps = { random: () => 0.25, states: new PluginMemory().open().states };

/** One profile with a picker and the given plugins. */
function specOf(parts: Partial<GraphSpec> = {}): GraphSpec {
  return {
    plugins: [use(maxScorePicker), use(singleProfileHandler), use(detector)],
    handler: "single-profile-handler",
    detector: "a-detector",
    profiles: [{ name: "default", plugins: [ref("max-score-picker")] }],
    producerOf: (data) => `the ${data}`,
    ...parts,
  };
}

const withPlugins = (...more: readonly Use[]): GraphSpec => {
  const spec = specOf();
  return { ...spec, plugins: [...more, ...spec.plugins] };
};

function built(spec: GraphSpec) {
  const result = buildGraph(spec.plugins, spec, deps);
  if (result.kind === "invalid") throw new Error(result.mistakes.join("\n"));
  return result.graph;
}

function mistakesIn(spec: GraphSpec): readonly string[] {
  const result = buildGraph(spec.plugins, spec, deps);
  return result.kind === "invalid" ? result.mistakes : [];
}

describe("buildGraph", () => {
  it("sorts a profile's plugins into filters, scorers with weights, and the picker", () => {
    const plugins = [ref("queue-scorer", 2.5), ref("keep-all"), ref("max-score-picker")];
    const { profiles } = built({
      ...withPlugins(use(queueScorer), use(keepAll)),
      profiles: [{ name: "default", plugins }],
    });
    const profile = profiles.get("default");
    expect(profile?.name).toBe("default");
    expect(profile?.filters.map(({ name }) => name)).toEqual(["keep-all"]);
    expect(profile?.scorers.map(({ name, weight }) => [name, weight])).toEqual([
      ["queue-scorer", 2.5],
    ]);
    expect(profile?.picker.pick(Float64Array.of(1, 3, 2))).toEqual([1]);
  });

  it("lets one plugin be filter and scorer of a profile", () => {
    const is: Capabilities = {
      filter: { filter: (_context, candidates) => candidates },
      scorer: { score: () => undefined },
    };
    const { profiles } = built({
      ...withPlugins(use(noting([], is), "both")),
      profiles: [{ name: "default", plugins: [ref("both", 2), ref("max-score-picker")] }],
    });
    expect(profiles.get("default")).toMatchObject({
      filters: [{ name: "both" }],
      scorers: [{ name: "both", weight: 2 }],
    });
  });

  it("keeps profiles in their order", () => {
    const anyProfiles = dataPlanePlugin({
      type: "any-profiles",
      kinds: ["profile-handler"],
      summary: "",
      params: z.strictObject({}),
      create: () => ({
        handler: { next: () => undefined, primary: () => undefined, mistakeIn: () => undefined },
      }),
    });
    const plugins = [ref("max-score-picker")];
    const { profiles } = built({
      ...withPlugins(use(anyProfiles)),
      handler: "any-profiles",
      profiles: [
        { name: "z", plugins },
        { name: "a", plugins },
      ],
    });
    expect([...profiles.keys()]).toEqual(["z", "a"]);
  });

  it("builds a plugin once for all its uses, and once for each of its names", () => {
    const made: string[] = [];
    const counted = scorerPlugin({
      type: "counted",
      summary: "",
      params: z.strictObject({ label: z.string().default("unnamed") }),
      create: ({ label }, { name }) => {
        made.push(`${label} of ${name}`);
        return { score: () => undefined };
      },
    });
    const plugins = [ref("one"), ref("one", 3), ref("other"), ref("max-score-picker")];
    built({
      ...withPlugins(use(counted, "one"), use(counted, "other", { label: "given" })),
      profiles: [{ name: "default", plugins }],
    });
    expect(made).toEqual(["unnamed of one", "given of other"]);
  });

  it("gives each plugin its name and randomness", () => {
    const notes: PluginDeps[] = [];
    built(withPlugins(use(noting(notes), "me")));
    expect(notes).toMatchObject([{ name: "me" }]);
    expect(notes[0]?.random()).toBe(0.25);
  });

  it("gives each plugin a separate memory, by its type and name", () => {
    const notes: PluginDeps[] = [];
    built(withPlugins(use(noting(notes), "me"), use(noting(notes), "other")));
    const kind: MemoryKind<string[]> = { create: () => [] };
    const mine = notes[0]?.memory(kind);
    expect(notes[0]?.memory(kind)).toBe(mine);
    expect(notes[1]?.memory(kind)).not.toBe(mine);
    const owner = { type: "noting", name: "me" };
    expect(deps.states.memory(kind, owner, undefined)).toBe(mine);
  });

  it("reads data of the named producer, else of the default one", () => {
    const notes: PluginDeps[] = [];
    built(withPlugins(use(noting(notes))));
    const context = aContext({
      data: new Map([
        ["mine", 7],
        ["the prompt-tokens", 8],
      ]),
    });
    const read = (producer: string | undefined) =>
      notes[0]?.reader("prompt-tokens", producer)(context);
    expect([read("mine"), read(undefined), read("nobody")]).toEqual([7, 8, undefined]);
    expect(notes[0]?.producerOf("session-id", undefined)).toBe("the session-id");
    expect(notes[0]?.producerOf("session-id", "mine")).toBe("mine");
  });

  it("gives a plugin the plugins before it", () => {
    const notes: PluginDeps[] = [];
    const decider: Capabilities = { decider: { decide: () => true } };
    built(
      withPlugins(
        use(noting([], decider), "first"),
        use(noting(notes), "second"),
        use(noting([]), "third"),
      ),
    );
    expect(notes[0]?.plugin("first")).toBe(decider);
    const early: DataPlanePlugin = dataPlanePlugin({
      type: "early",
      kinds: ["decider"],
      summary: "",
      params: z.strictObject({}),
      create: (_params, given) => given.plugin("late"),
    });
    expect(() => built(withPlugins(use(early), use(noting([]), "late")))).toThrow(
      /early needs late/,
    );
  });

  it("lists producers, admitters and hooks in the order of the plugins, used in a profile or not", () => {
    const producer = { produce: () => undefined };
    const admitter = { admit: () => undefined };
    const hooks = { sent: () => undefined };
    const graph = built(
      withPlugins(
        use(noting([], { producer, hooks }, "prompt-tokens"), "a"),
        use(noting([], { admitter }), "b"),
        use(noting([], { hooks }), "c"),
        use(noting([], { producer }, "session-id"), "d"),
      ),
    );
    expect(graph.producers).toEqual([
      { name: "a", instance: producer, produces: "prompt-tokens" },
      { name: "d", instance: producer, produces: "session-id" },
    ]);
    expect(graph.admitters).toEqual([{ name: "b", instance: admitter }]);
    expect(graph.hooks.map(({ name }) => name)).toEqual(["a", "c"]);
  });

  it("has the plan's detector", () => {
    expect(built(specOf()).detector.saturation([], aContext().load, 0)).toBe(0.5);
  });

  it("reports every profile without a picker and the handler's mistake", () => {
    const spec = specOf({
      profiles: [
        { name: "a", plugins: [] },
        { name: "b", plugins: [ref("nobody")] },
      ],
    });
    expect(mistakesIn(spec)).toEqual([
      "schedulingProfiles: a has no picker",
      "schedulingProfiles: b has no picker",
      "schedulingProfiles: single-profile-handler runs exactly one scheduling profile, but there are 2",
    ]);
  });

  it.each([
    {
      parts: { handler: "max-score-picker" },
      mistake: "max-score-picker is not a profile handler",
    },
    { parts: { handler: "nobody" }, mistake: "nobody is not a profile handler" },
    {
      parts: { detector: "max-score-picker" },
      mistake: "max-score-picker is not a saturation detector",
    },
  ])("reports that $mistake", ({ parts, mistake }) => {
    expect(mistakesIn(specOf(parts))).toEqual([mistake]);
  });
});
