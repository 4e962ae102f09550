import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { FakeKubeApi } from "#test/support/fake-kube-api.ts";
import { seededRandom } from "../../std/random.ts";
import { KubeError, type KubeObject } from "../kubernetes/kube-api.ts";
import { ConfigMapSource, type Verdict } from "./config-map-source.ts";

/** An API server that accepts events. */
class WithEvents extends FakeKubeApi {
  readonly events: KubeObject[] = [];
  refusal: KubeError | undefined;

  override create(write?: { readonly path: string; readonly body: KubeObject }) {
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    if (write?.path !== "/api/v1/namespaces/n/events") return super.create();
    this.events.push(write.body);
    return Promise.resolve(write.body);
  }
}

let api: WithEvents;
let clock: FakeClock;
let seen: string[];
let verdict: Verdict;
let stop: AbortController;
let running: Promise<void>;
let appliedCount: number;
let lines: string[];

beforeEach(() => {
  api = new WithEvents();
  clock = new FakeClock();
  seen = [];
  lines = [];
  appliedCount = 0;
  verdict = { kind: "applied" };
  stop = new AbortController();
});

afterEach(async () => {
  stop.abort();
  await running;
});

function say(_: object, message: string): void {
  lines.push(message);
}

async function start(key?: string): Promise<void> {
  const source = new ConfigMapSource(
    { namespace: "n", name: "c", key },
    {
      api,
      clock,
      random: seededRandom(1),
      log: { info: say, warn: say },
      instance: "picker-0",
      apply: (text, from) => {
        seen.push(`${from}: ${text}`);
        return Promise.resolve(verdict);
      },
      refuse: (reason, from) => {
        seen.push(`${from} refused: ${reason}`);
        return { kind: "refused", mistakes: [reason], hasPrevious: false };
      },
      onApplied: () => {
        appliedCount += 1;
      },
    },
  );
  running = source.run(stop.signal);
  await clock.advance(0);
}

function configMap(data: Readonly<Record<string, string>>, resourceVersion = "1"): KubeObject {
  return { metadata: { namespace: "n", name: "c", uid: "u", resourceVersion }, data };
}

describe("a ConfigMap with the configuration", () => {
  it("is applied when it is read and whenever it changes", async () => {
    api.items = [configMap({ any: "one" })];
    await start();
    api.lastWatch.push("MODIFIED", configMap({ any: "two" }, "2"));
    await clock.advance(0);
    expect(seen).toEqual(["ConfigMap n/c/any: one", "ConfigMap n/c/any: two"]);
    expect(appliedCount).toBe(2);
    expect(api.events.map(({ reason }) => reason)).toEqual([
      "ConfigurationApplied",
      "ConfigurationApplied",
    ]);
  });

  it.each([
    [true, "the previous configuration stays in force"],
    [false, "no configuration is in force yet"],
  ])(
    "reports the first mistakes as an event, with a previous one: %s",
    async (hasPrevious, what) => {
      api.items = [configMap({ any: "bad" })];
      const mistakes = ["a: wrong", "b: wrong", "c: wrong", "d: wrong"];
      verdict = { kind: "refused", mistakes, hasPrevious };
      await start();
      expect(appliedCount).toBe(0);
      expect(api.events).toEqual([
        expect.objectContaining({
          kind: "Event",
          type: "Warning",
          reason: "ConfigurationRefused",
          message: `${what}: a: wrong; b: wrong; c: wrong; and 1 more`,
          involvedObject: {
            apiVersion: "v1",
            kind: "ConfigMap",
            namespace: "n",
            name: "c",
            uid: "u",
          },
          reportingInstance: "picker-0",
        }),
      ]);
    },
  );

  it("cuts an event to the length that the API server accepts", async () => {
    api.items = [configMap({ any: "bad" })];
    verdict = { kind: "refused", mistakes: ["x".repeat(5_000)], hasPrevious: true };
    await start();
    expect(api.events[0]?.["message"]).toHaveLength(1_024);
  });

  it("works without the right to write events, and reports that once", async () => {
    api.items = [configMap({ any: "one" })];
    api.refusal = new KubeError(403, "Forbidden", "events is forbidden");
    await start();
    api.lastWatch.push("MODIFIED", configMap({ any: "two" }, "2"));
    await clock.advance(0);
    expect(appliedCount).toBe(2);
    expect(lines).toEqual(["event not written"]);
  });

  it("is refused while it does not exist, and applied once it does", async () => {
    await start();
    expect(seen).toEqual(["ConfigMap n/c refused: the ConfigMap does not exist"]);
    api.lastWatch.push("ADDED", configMap({ any: "one" }, "2"));
    await clock.advance(0);
    expect(seen.at(-1)).toBe("ConfigMap n/c/any: one");
  });

  it.each([
    [{ "config.yaml": "yes", other: "no" }, undefined, "ConfigMap n/c/config.yaml: yes"],
    [
      { "default-plugins.yaml": "yes", o: "no" },
      undefined,
      "ConfigMap n/c/default-plugins.yaml: yes",
    ],
    [{ a: "no", b: "yes" }, "b", "ConfigMap n/c/b: yes"],
    [{ a: "1" }, "b", "ConfigMap n/c refused: it has no key b; its keys are: a"],
    [{}, undefined, "ConfigMap n/c refused: it is empty"],
    [
      { a: "1", b: "2" },
      undefined,
      "ConfigMap n/c refused: it has the keys a, b: name one as --config-map NAMESPACE/NAME/KEY",
    ],
  ])("with the data %j and the key %s", async (data: Record<string, string>, key, outcome) => {
    api.items = [configMap(data)];
    await start(key);
    expect(seen).toEqual([outcome]);
  });
});
