import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandFor } from "../../src/cli/commands.ts";
import type { CommandContext } from "../../src/cli/command.ts";
import { type Child, startPointsman } from "#test/support/child.ts";
import { vllmFlagsIn, vllmMistakes } from "#test/support/vllm-flags.ts";

const page = readFileSync("docs/getting-started.md", "utf8");

/** The command lines of the page; one that ends in a backslash goes on in the next line. */
const lines = [...page.matchAll(/^```(\w*)\n(.*?)^```$/gmsu)]
  .filter(([, language]) => language === "")
  .flatMap(([, , block = ""]) => block.replaceAll(/\\\n\s*/gu, "").split("\n"))
  .filter((line) => line !== "");

const runs = /^(?:npm run pointsman -- |pointsman |npx pointsman )/u;

/** Addresses of the page, and those of this test. */
const places = new Map<string, string>();
const children: Child[] = [];

function here(line: string): string {
  let text = line;
  for (const [shown, actual] of places) text = text.replaceAll(shown, actual);
  return text;
}

function argvOf(command: string): readonly string[] {
  return here(lineOf(command)).replace(runs, "").split(" ");
}

/** The line of the page that begins with these words. */
function lineOf(beginning: string): string {
  const found = lines.find((line) => line.startsWith(beginning));
  if (found === undefined) throw new Error(`the page has no line ${beginning}`);
  return found;
}

/** As in the page, but on free ports. */
function startHere(command: string, ...ports: readonly string[]): Child {
  const child = startPointsman([...argvOf(command), ...ports]);
  children.push(child);
  return child;
}

describe("docs/getting-started.md", () => {
  beforeAll(async () => {
    const sim = startHere("npm run pointsman -- sim", "--port", "0", "--admin-port", "0");
    for (const index of [0, 1]) {
      const line = await sim.line(new RegExp(`^engine-${index} http`, "u"));
      places.set(`http://127.0.0.1:${8_000 + index}`, line.split(" ")[1] ?? "");
    }
    const free = ["--listen", "127.0.0.1:0", "--metrics-port", "0"];
    const gateway = startHere("npm run pointsman -- gateway", ...free);
    const listening = await gateway.line(/"msg":"listening"/u);
    const { http, metrics } = JSON.parse(listening) as { http: number; metrics: number };
    places.set("127.0.0.1:8080", `127.0.0.1:${http}`);
    places.set("127.0.0.1:9090", `127.0.0.1:${metrics}`);
    await gateway.line(/^try /u);
  });
  afterAll(() => Promise.all(children.map((child) => child.close())));

  it("prints what the gateway found, as the page says", () => {
    const output = children[1]?.output() ?? "";
    expect(output.match(/^endpoint .* vllm +models: sim-model$/gmu)).toHaveLength(2);
    expect(output).toMatch(/^try +curl /mu);
  });

  const curls = lines.filter((line) => line.startsWith("curl "));
  it.each(curls)("%s", (line) => {
    const answer = execFileSync("sh", ["-c", `${here(line)} --silent --show-error --fail`], {
      encoding: "utf8",
    });
    expect(answer).toMatch(/"object": ?"chat.completion"|"decisions": \[/u);
  });

  it("shows the pool by pointsman status", async () => {
    const status = startHere("npm run pointsman -- status");
    expect(await status.ended).toBe(0);
    expect(status.output().match(/ready/gu)?.length).toBeGreaterThanOrEqual(2);
  });

  it("ends with the readiness that systemd does not know", () => {
    const [, command = ""] = /`(curl -f [^`]+)`/u.exec(page) ?? [];
    expect(() => execFileSync("sh", ["-c", here(command)], { stdio: "pipe" })).not.toThrow();
  });

  it.each(lines.filter((line) => runs.test(line)))(
    "%s has flags that the command takes",
    async (line) => {
      const { command, argv } = commandFor(line.replace(runs, "").split(" "), {});
      let printed = "";
      const context: CommandContext = {
        // Flags are read before help is printed, up to the first mistake.
        argv: [...argv, "--help"],
        env: {},
        stdout: (text) => void (printed += text),
        stderr: () => undefined,
        stop: AbortSignal.abort(),
        cut: AbortSignal.abort(),
      };
      expect(await command.run(context)).toBe(0);
      expect(printed).toMatch(/^Usage: pointsman /u);
    },
  );

  it("starts engines with flags that vLLM has, and explains no others", () => {
    const commands = lines.filter((line) => /(?:^| )vllm serve /u.test(line));
    expect(commands).toHaveLength(2);
    const table = [...page.matchAll(/^\| (`--[^|]*) \|/gmu)].map(([, cell = ""]) => cell);
    expect(table.length).toBeGreaterThan(4);
    expect([...commands, ...table].flatMap((text) => vllmMistakes(vllmFlagsIn(text)))).toEqual([]);
  });

  it("names packages, files and scripts that are there", () => {
    const { name, version, scripts } = JSON.parse(readFileSync("package.json", "utf8")) as {
      name: string;
      version: string;
      scripts: Readonly<Record<string, string>>;
    };
    const tarballs = page.match(/\.\/\S+\.tgz/gu) ?? [];
    expect(new Set(tarballs)).toEqual(new Set([`./${name}-${version}.tgz`]));
    const files = page.match(/\bdeploy\/[\w./]*\w/gu) ?? [];
    expect(files.filter((file) => !existsSync(file))).toEqual([]);
    const named = [...page.matchAll(/npm run (\w+)/gu)].map(([, script = ""]) => script);
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });

  // test/e2e/demo.test.ts runs the demo, package.test.ts packs and installs; the others need root, a GPU or Docker.
  it("has no command of another kind", () => {
    const kinds =
      /^(?:npm ci|npm run demo(?: -- --break hang)?|npm pack|(?:sudo )?npm install (?:--global --prefix \/usr\/local )?\.\/\S+\.tgz|CUDA_VISIBLE_DEVICES=\d vllm serve .*|docker compose -f deploy\/compose\/compose\.yaml up --build|sudo install -D -m 644 deploy\/systemd\/\S+ \/etc\/\S+|sudo systemctl (?:daemon-reload|enable --now pointsman)|journalctl --unit pointsman --follow)$/u;
    const others = lines.filter((line) => !runs.test(line) && !line.startsWith("curl "));
    expect(others.filter((line) => !kinds.test(line))).toEqual([]);
    expect(others.length).toBeGreaterThan(10);
  });
});
