import { describe, expect, it } from "vitest";
import { type Build, buildConfig } from "./build-config.ts";
import { LiveConfig } from "./live-config.ts";
import { type Prepared, unchanged } from "./reconfigurable.ts";
import { PluginMemory } from "../state/plugin-memory.ts";
import { FakeClock } from "#test/support/fake-clock.ts";

const document = (weight: number) => `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins: [{type: queue-scorer}]
schedulingProfiles: [{name: default, plugins: [{pluginRef: queue-scorer, weight: ${weight}}]}]
`;
const broken =
  "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: queue}]\n";

interface Page {
  readonly hash: string;
  readonly document: string;
  readonly appliedAt: string;
  readonly refused: { readonly mistakes: readonly string[] } | null;
}

function aLiveConfig(prepare?: (next: Build) => Promise<Prepared>, startsWithStandIn = false) {
  const build = { memory: new PluginMemory(), random: () => 0, allowsTestOnly: false };
  const first = buildConfig(document(1), build);
  if (first.kind === "invalid") throw new Error(first.mistakes.join("\n"));
  const events: string[] = [];
  const logged: { level: string; fields: object; message: string }[] = [];
  const note = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, fields, message });
  let committed = first.build;
  const config = new LiveConfig(first.build, {
    ...build,
    startsWithStandIn,
    clock: new FakeClock(),
    log: { info: note("info"), warn: note("warn"), error: note("error") },
    metrics: {
      started: () => void events.push("started"),
      applied: () => void events.push("applied"),
      refused: () => void events.push("refused"),
    },
    parts: [
      {
        name: "a part",
        prepare: (next) =>
          prepare?.(next) ?? { kind: "ready", commit: () => void (committed = next) },
      },
    ],
  });
  // `page` builds an object of this type.
  return { config, events, logged, committed: () => committed, page: () => config.page() as Page };
}

const weightOf = ({ plan }: Build) => plan.profiles[0]?.plugins[0]?.weight;

const refusal = (inForce: string) => ({
  message: "configuration refused",
  fields: { inForce },
});

describe("the live configuration", () => {
  it("puts a valid document in force in one step", async () => {
    const { config, events, committed, page } = aLiveConfig();
    expect(await config.apply(document(5), "file")).toBe("applied");
    expect([weightOf(config.inForce), weightOf(committed())]).toEqual([5, 5]);
    expect(events).toEqual(["started", "applied"]);
    expect(page()).toMatchObject({
      hash: config.inForce.document.hash,
      document: document(5),
      refused: null,
    });
  });

  it("remembers the documents that it read, newest first, and the last 20 of them", async () => {
    const { config } = aLiveConfig();
    await config.apply(document(5), "file");
    await config.apply(broken, "map");
    await config.apply(document(5), "file");
    config.refuse("the file does not exist", "file");
    const { history, isRefused, hash } = config.glance();
    expect(history.map(({ outcome, source }) => [outcome, source])).toEqual([
      ["refused", "file"],
      ["restored", "file"],
      ["refused", "map"],
      ["applied", "file"],
      ["started", null],
    ]);
    expect(history[2]).toMatchObject({
      mistakeCount: 1,
      mistakes: ['plugins[0].type: there is no plugin "queue"'],
    });
    expect([isRefused, hash]).toEqual([true, history[3]?.hash]);
    for (let count = 0; count < 30; count += 1) config.refuse("gone", "file");
    expect(config.glance().history).toHaveLength(20);
  });

  it("leaves everything unchanged for an invalid one, and reports every mistake once", async () => {
    const { config, events, logged, page, committed } = aLiveConfig();
    expect(await config.apply(broken, "file")).toBe("refused");
    expect(await config.apply(broken, "file")).toBe("unchanged");
    expect([weightOf(config.inForce), weightOf(committed())]).toEqual([1, 1]);
    expect(events).toEqual(["started", "refused"]);
    expect(logged.filter(({ level }) => level === "error")).toEqual([
      {
        level: "error",
        message: "configuration refused",
        fields: expect.objectContaining({
          source: "file",
          inForce: "previous",
          mistakeCount: 1,
          mistakes: ['plugins[0].type: there is no plugin "queue"'],
        }) as object,
      },
    ]);
    expect(page().refused?.mistakes).toHaveLength(1);
    expect(page().document).toBe(document(1));
  });

  it("names no previous document if there was none", async () => {
    const { config, logged } = aLiveConfig(undefined, true);
    expect(await config.apply(broken, "file")).toBe("refused");
    config.refuse("the ConfigMap does not exist", "file");
    expect(logged.filter(({ level }) => level === "error")).toMatchObject([
      refusal("default"),
      refusal("default"),
    ]);
    expect([config.isStandIn, config.page()]).toMatchObject([true, { standIn: true }]);
    // Even if the document equals the stand-in.
    await config.apply(document(1), "file");
    expect([config.isStandIn, config.page()]).toMatchObject([false, { standIn: false }]);
    await config.apply(broken, "file");
    expect(logged.at(-1)).toMatchObject(refusal("previous"));
  });

  it("forgets the refused document once a valid one comes, even if it is the one in force", async () => {
    const { config, events, page } = aLiveConfig();
    await config.apply(broken, "file");
    expect(await config.apply(document(1), "file")).toBe("unchanged");
    expect(page().refused).toBeNull();
    expect(events).toEqual(["started", "refused", "applied"]);
  });

  it("changes nothing if the rest of the gateway refuses the document", async () => {
    const { config, page } = aLiveConfig(() =>
      Promise.resolve({ kind: "invalid", mistakes: ["endpoints file: it does not exist"] }),
    );
    expect(await config.apply(document(2), "file")).toBe("refused");
    expect(weightOf(config.inForce)).toBe(1);
    expect(page().refused?.mistakes).toEqual(["endpoints file: it does not exist"]);
  });

  it("tries a document again if the cause of its refusal was outside of it", async () => {
    let isMissing = true;
    const { config, page, events } = aLiveConfig(() =>
      Promise.resolve(
        isMissing
          ? { kind: "invalid", mistakes: ["endpoints file: it does not exist"] }
          : unchanged,
      ),
    );
    expect(await config.apply(document(2), "file")).toBe("refused");
    isMissing = false;
    expect(await config.apply(document(2), "file")).toBe("applied");
    expect(await config.apply(document(2), "file")).toBe("unchanged");
    expect([weightOf(config.inForce), page().refused]).toEqual([2, null]);
    expect(events).toEqual(["started", "refused", "applied"]);
  });

  it("is in force as a whole also if a commit throws, which is logged with the name of its part", async () => {
    const cause = new Error("a bug");
    const { config, logged, events } = aLiveConfig(() =>
      Promise.resolve({
        kind: "ready",
        commit: () => {
          throw cause;
        },
      }),
    );
    expect(await config.apply(document(2), "file")).toBe("applied");
    expect(weightOf(config.inForce)).toBe(2);
    expect(events).toEqual(["started", "applied"]);
    expect(logged.filter(({ level }) => level === "error")).toEqual([
      {
        level: "error",
        message: "configuration part failed",
        fields: { source: "file", hash: config.inForce.document.hash, part: "a part", err: cause },
      },
    ]);
  });

  it("refuses a document that makes a part fail while it prepares, and applies the next one", async () => {
    let isBroken = true;
    const { config, page } = aLiveConfig(() => {
      if (isBroken) throw new Error("not thought of");
      return Promise.resolve({ kind: "ready", commit: () => undefined });
    });
    expect(await config.apply(document(2), "file")).toBe("refused");
    expect(weightOf(config.inForce)).toBe(1);
    expect(page().refused?.mistakes).toEqual(["internal error (bug): not thought of"]);
    isBroken = false;
    expect(await config.apply(document(3), "file")).toBe("applied");
    expect(weightOf(config.inForce)).toBe(3);
  });

  it("applies documents in the order they came, however long each takes", async () => {
    const waiting: (() => void)[] = [];
    const { config } = aLiveConfig(
      () =>
        new Promise((resolve) => {
          waiting.push(() => resolve({ kind: "ready", commit: () => undefined }));
        }),
    );
    const first = config.apply(document(2), "file");
    const second = config.apply(document(3), "file");
    await Promise.resolve();
    waiting.shift()?.();
    await first;
    expect(weightOf(config.inForce)).toBe(2);
    await Promise.resolve();
    waiting.shift()?.();
    await second;
    expect(weightOf(config.inForce)).toBe(3);
  });

  it("reports that a file is gone, and keeps the configuration in force", () => {
    const { config, events, page } = aLiveConfig();
    config.refuse("the file does not exist", "file");
    expect(events).toEqual(["started", "refused"]);
    expect(page().refused?.mistakes).toEqual(["the file does not exist"]);
    expect(weightOf(config.inForce)).toBe(1);
  });
});
