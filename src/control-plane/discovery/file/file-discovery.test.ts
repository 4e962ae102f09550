import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { type Clock, systemClock } from "../../../std/clock.ts";
import { EndpointStore } from "../../../state/endpoint-store.ts";
import { PoolSlots } from "../../../state/pool-slots.ts";
import { FileDiscovery } from "./file-discovery.ts";

const listOf = (...names: readonly string[]) =>
  JSON.stringify({
    endpoints: names.map((name) => ({
      name,
      address: `10.0.0.${name.charCodeAt(0)}`,
      port: "8000",
    })),
  });

interface LogLine {
  readonly level: "info" | "warn";
  readonly fields: object;
  readonly message: string;
}

let directory = "";
let stopAll: () => Promise<void> = () => Promise.resolve();

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "pointsman-discovery-"));
});

afterEach(async () => {
  await stopAll();
  stopAll = () => Promise.resolve();
  await rm(directory, { recursive: true });
});

function discoveryOf(filePath: string, clock: Clock = systemClock) {
  const store = new EndpointStore(new PoolSlots(8));
  const lines: LogLine[] = [];
  const log = {
    info: (fields: object, message: string) => lines.push({ level: "info", fields, message }),
    warn: (fields: object, message: string) => lines.push({ level: "warn", fields, message }),
  };
  const options = { path: filePath, watchFile: true };
  const discovery = new FileDiscovery(options, { store, clock, log });
  const names = () => store.endpoints().map(({ name }) => name);
  const warnings = () => lines.filter(({ level }) => level === "warn");
  return { discovery, store, lines, names, warnings };
}

/** A discovery that has loaded `text` and follows the file. */
async function watching(filePath: string, text: string | undefined) {
  if (text !== undefined) await writeFile(filePath, text);
  const parts = discoveryOf(filePath);
  await parts.discovery.load();
  const stop = new AbortController();
  const running = parts.discovery.run(stop.signal);
  stopAll = async () => {
    stop.abort();
    await running;
  };
  const soon = { timeout: 10_000, interval: 5 };
  const untilNames = (...wanted: readonly string[]) =>
    vi.waitFor(() => expect(parts.names()).toEqual(wanted), soon);
  const untilWarnings = (count: number) =>
    vi.waitFor(() => expect(parts.warnings()).toHaveLength(count), soon);
  return { ...parts, untilNames, untilWarnings };
}

/** A discovery under a fake clock, which moves only in `pass`. */
async function watchingInFakeTime(filePath: string) {
  const clock = new FakeClock();
  const parts = discoveryOf(filePath, clock);
  await parts.discovery.load();
  const stop = new AbortController();
  const running = parts.discovery.run(stop.signal);
  stopAll = async () => {
    stop.abort();
    await running;
    expect(clock.pendingTimers).toBe(0);
  };
  /** Lets time pass in small steps, with room for real file access between them. */
  const pass = async (durationMs: number, isEnough = () => false, stepMs = 50) => {
    const untilMs = clock.nowMs() + durationMs;
    await vi.waitUntil(
      async () => {
        await clock.advance(stepMs);
        return isEnough() || clock.nowMs() >= untilMs;
      },
      { timeout: 10_000, interval: 1 },
    );
  };
  return { ...parts, clock, pass };
}

describe("FileDiscovery at the start", () => {
  it("makes the file's endpoints the pool", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, listOf("a", "b"));
    const { discovery, names } = discoveryOf(filePath);
    const load = await discovery.load();
    expect(load.kind === "loaded" && load.change.added).toHaveLength(2);
    expect(names()).toEqual(["a", "b"]);
  });

  it("returns every mistake and leaves the store unsynced", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, "endpoints: [{name: a, address: h, port: x}]");
    const { discovery, store } = discoveryOf(filePath);
    expect(await discovery.load()).toEqual({
      kind: "invalid",
      mistakes: [
        'endpoints[0].address: must be an IP literal, got "h"',
        'endpoints[0].port: must be 1..65535, got "x"',
      ],
    });
    expect(store.hasSynced).toBe(false);
  });

  it.each([
    ["nothing", () => Promise.resolve(), "the file does not exist"],
    ["a directory", (at: string) => mkdir(at), "it is not a regular file"],
    [
      "a file of 1 MiB and a byte",
      (at: string) => writeFile(at, Buffer.alloc(2 ** 20 + 1, 0x20)),
      "it is larger than 1048576 bytes",
    ],
    [
      "a file that is not UTF-8",
      (at: string) => writeFile(at, Buffer.of(0xff, 0xfe)),
      "it is not UTF-8 text",
    ],
  ])("returns a mistake if the path leads to %s", async (_, create, mistake) => {
    const filePath = path.join(directory, "endpoints.yaml");
    await create(filePath);
    const { discovery } = discoveryOf(filePath);
    expect(await discovery.load()).toEqual({ kind: "invalid", mistakes: [mistake] });
  });

  it("accepts a file of 1 MiB", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, listOf("a").padEnd(2 ** 20));
    expect((await discoveryOf(filePath).discovery.load()).kind).toBe("loaded");
  });

  it("leaves out endpoints that do not fit", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, listOf(..."abcdefghij".split("")));
    const load = await discoveryOf(filePath).discovery.load();
    expect(load).toMatchObject({ change: { refused: [{}, {}] } });
  });

  it("waits for the signal and reads nothing if the file is not to be watched", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const clock = new FakeClock();
    const store = new EndpointStore();
    const log = { info: () => undefined, warn: () => undefined };
    const discovery = new FileDiscovery({ path: filePath }, { store, clock, log });
    const stop = new AbortController();
    const running = discovery.run(stop.signal);
    expect(clock.pendingTimers).toBe(0);
    stop.abort();
    await running;
    await discovery.run(stop.signal);
  });
});

describe("FileDiscovery while it runs", () => {
  it("follows a rewrite of the file", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names, untilNames } = await watching(filePath, listOf("a"));
    await writeFile(filePath, listOf("a", "b"));
    await untilNames("a", "b");
    await writeFile(filePath, listOf("b"));
    await untilNames("b");
    expect(names()).toEqual(["b"]);
  });

  it("follows a rename over the file", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names, untilNames } = await watching(filePath, listOf("a"));
    await writeFile(`${filePath}.new`, listOf("b"));
    await rename(`${filePath}.new`, filePath);
    await untilNames("b");
    await writeFile(`${filePath}.new`, listOf("c"));
    await rename(`${filePath}.new`, filePath);
    await untilNames("c");
    expect(names()).toEqual(["c"]);
  });

  it("follows the symlink swap of a mounted ConfigMap", async () => {
    const mount = async (version: string, text: string) => {
      await mkdir(path.join(directory, version));
      await writeFile(path.join(directory, version, "endpoints.yaml"), text);
      await symlink(version, path.join(directory, "..data_tmp"));
      await rename(path.join(directory, "..data_tmp"), path.join(directory, "..data"));
    };
    await mount("..v1", listOf("a"));
    const filePath = path.join(directory, "endpoints.yaml");
    await symlink(path.join("..data", "endpoints.yaml"), filePath);
    const { names, untilNames } = await watching(filePath, undefined);
    await untilNames("a");
    await mount("..v2", listOf("b"));
    await rm(path.join(directory, "..v1"), { recursive: true });
    await untilNames("b");
    await mount("..v3", listOf("c"));
    await untilNames("c");
    expect(names()).toEqual(["c"]);
  });

  it("notices a change before the next poll", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, listOf("a"));
    const { names, clock, pass } = await watchingInFakeTime(filePath);
    await pass(200);
    await writeFile(filePath, listOf("b"));
    const changedAtMs = clock.nowMs();
    // In steps of 1 ms the event has seconds of real time to arrive before the poll is due.
    await pass(700, () => names().includes("b"), 1);
    expect(names()).toEqual(["b"]);
    expect(clock.nowMs() - changedAtMs).toBeLessThan(700);
  });

  it("finds changes outside the watched directory by polling", async () => {
    await mkdir(path.join(directory, "elsewhere"));
    await mkdir(path.join(directory, "watched"));
    const target = path.join(directory, "elsewhere", "list");
    const filePath = path.join(directory, "watched", "endpoints.yaml");
    await writeFile(target, listOf("a"));
    await symlink(target, filePath);

    const { names, pass } = await watchingInFakeTime(filePath);
    await pass(500);
    await writeFile(target, listOf("a", "b"));
    await pass(10_000, () => names().length === 2);
    expect(names()).toEqual(["a", "b"]);
  });

  it("does not repeat a warning while the content is the same", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    await writeFile(filePath, listOf("a"));
    const { warnings, pass } = await watchingInFakeTime(filePath);
    await writeFile(filePath, "endpoints:");
    await pass(10_000, () => warnings().length === 1);
    await writeFile(`${filePath}.new`, "endpoints:");
    await rename(`${filePath}.new`, filePath);
    await pass(5_000);
    expect(warnings()).toHaveLength(1);
    await writeFile(filePath, "endpoints: 3");
    await pass(10_000, () => warnings().length === 2);
    expect(warnings()).toHaveLength(2);
  });

  it("loads a file that was not there at the start", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { untilNames, warnings } = await watching(filePath, undefined);
    await writeFile(filePath, listOf("a"));
    await untilNames("a");
    expect(warnings()).toEqual([]);
  });

  it("empties the pool for an explicit empty list", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names, untilNames } = await watching(filePath, listOf("a"));
    await writeFile(filePath, "endpoints: []");
    await untilNames();
    expect(names()).toEqual([]);
  });

  it.each([
    ["empty", ""],
    ["white space", " \n \n"],
    ["half-written", listOf("a", "b").slice(0, 60)],
    ["not YAML at all", "\u0000{]\n\t- :"],
    ["a list with one bad entry", '{"endpoints":[{"name":"b","address":"10.0.0.2","port":0}]}'],
  ])("keeps the last good list while the file is %s, and reports it once", async (_, text) => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names, untilNames, untilWarnings, warnings } = await watching(filePath, listOf("a"));
    await writeFile(filePath, text);
    await untilWarnings(1);
    expect(names()).toEqual(["a"]);
    expect(warnings()).toMatchObject([{ message: "endpoints file refused" }]);
    await writeFile(filePath, listOf("c"));
    await untilNames("c");
    expect(warnings()).toHaveLength(1);
  });

  it("keeps the last good list when the file vanishes, reports it once, and follows its return", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names, untilNames, untilWarnings } = await watching(filePath, listOf("a"));
    await unlink(filePath);
    await untilWarnings(1);
    expect(names()).toEqual(["a"]);
    await writeFile(filePath, listOf("b"));
    await untilNames("b");
    await untilWarnings(1);
  });

  it("shows 20 mistakes and counts the rest", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { untilWarnings, warnings } = await watching(filePath, listOf("a"));
    await writeFile(filePath, JSON.stringify({ endpoints: Array.from({ length: 30 }).fill(1) }));
    await untilWarnings(1);
    const [warning] = warnings();
    expect(warning?.fields).toMatchObject({ mistakeCount: 30 });
    expect(Object.entries(warning?.fields ?? {})).toContainEqual([
      "mistakes",
      expect.objectContaining({ length: 20 }),
    ]);
  });

  it("resolves when the signal aborts, with nothing left running", async () => {
    const filePath = path.join(directory, "endpoints.yaml");
    const { names } = await watching(filePath, listOf("a"));
    await stopAll();
    await writeFile(filePath, listOf("b"));
    expect(names()).toEqual(["a"]);
  });
});
