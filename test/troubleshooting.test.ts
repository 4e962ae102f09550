import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { commandFor } from "../src/cli/commands.ts";
import type { CommandContext } from "../src/cli/command.ts";
import { gatewayFlags } from "../src/cli/gateway-flags.ts";
import { serveFlags } from "../src/cli/serve-flags.ts";
import { ERRORS } from "../src/core/errors.ts";

const page = readFileSync("docs/troubleshooting.md", "utf8");
const metrics = readFileSync("docs/metrics.md", "utf8");
const doctorPage = readFileSync("docs/doctor.md", "utf8");

/** Lines of the blocks that hold commands: those without a language. */
const commands = [...page.matchAll(/^ *```(\w*)\n(.*?)^ *```$/gmsu)]
  .filter(([, language]) => language === "")
  .flatMap(([, , block = ""]) => block.trimEnd().split("\n"));

/** Commands within sentences. */
const inlineCommands = [
  ...page.matchAll(/`(pointsman (?:doctor|check|status|explain)[^`]*)`/gu),
].map(([, line = ""]) => line.replaceAll(/\s+/gu, " "));

const unique = (texts: readonly string[]) => [...new Set(texts)];

/** Anchors of a page's titles, as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const titles = [...text.matchAll(/^#+ (.+)$/gmu)].map(([, title = ""]) => title);
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

describe("docs/troubleshooting.md", () => {
  it.each(unique([...commands.filter((line) => line.startsWith("pointsman ")), ...inlineCommands]))(
    "%s has flags that the command takes",
    async (line) => {
      const { command, argv } = commandFor(line.split(" ").slice(1), {});
      let printed = "";
      const context: CommandContext = {
        // Flags are read before help is printed, up to the first mistake. A flag at the end of a sentence lacks its value.
        argv: [...argv, ...(/ --(?:envoy|endpoints|url)$/u.test(line) ? ["x"] : []), "--help"],
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

  it("has no command of another kind than pointsman, and curl for pages of the metrics port", () => {
    const others = commands.filter((line) => !line.startsWith("pointsman "));
    expect(others.length).toBeGreaterThan(1);
    const pages = unique(others);
    expect(pages.toSorted()).toEqual([
      "curl http://127.0.0.1:9090/debug/queues",
      "curl http://127.0.0.1:9090/metrics",
    ]);
    const adminPages = readFileSync("src/gateway/admin-pages.ts", "utf8");
    expect(adminPages).toContain('"/debug/queues"');
    expect(adminPages).toContain('"/debug/config"');
  });

  const links = [...page.matchAll(/\]\(([^)\s]+)\)/gu)].map(([, target = ""]) => target);
  it.each(unique(links))("links to %s, which is there", (target) => {
    const [file = "", anchor] = target.split("#");
    const linked = file === "" ? "docs/troubleshooting.md" : path.join("docs", file);
    expect(existsSync(linked)).toBe(true);
    const anchors = anchorsOf(readFileSync(linked, "utf8"));
    expect(anchor === undefined || anchors.has(anchor)).toBe(true);
  });

  it("names metrics that there are", () => {
    const names = [...page.matchAll(/\b(?:pointsman|llm_d_epp|nodejs|process)_[a-z0-9_]+/gu)].map(
      ([name]) => name,
    );
    expect(names.length).toBeGreaterThan(5);
    expect(unique(names).filter((name) => !metrics.includes(`\`${name}\``))).toEqual([]);
  });

  it("names findings that pointsman doctor has", () => {
    const codes = unique(
      [...page.matchAll(/\[([a-z]+(?:-[a-z]+)+)\]/gu)].map(([, code = ""]) => code),
    );
    expect(codes.length).toBeGreaterThan(12);
    expect(codes.filter((code) => !doctorPage.includes(`\`${code}\``))).toEqual([]);
  });

  it("names error codes that there are", () => {
    const codes = [...page.matchAll(/`((?:\w+_)+(?:exceeded|full|found|broken)|saturated)`/gu)];
    expect(codes.length).toBeGreaterThan(4);
    expect(
      codes.map(([, code = ""]) => code).filter((code) => !Object.hasOwn(ERRORS, code)),
    ).toEqual([]);
  });

  it("names flags of serve and gateway that there are", () => {
    const own = new Set<string>([...Object.keys(serveFlags), ...Object.keys(gatewayFlags)]);
    const ofDoctor = ["url", "envoy", "endpoints", "try", "config-file", "strict", "project"];
    const ofEngines = [
      "enable-prompt-tokens-details",
      "enable-prefix-caching",
      "no-enable-prefix-caching",
    ];
    const known = new Set([
      ...own,
      ...ofDoctor,
      ...ofEngines,
      "disable-radix-cache",
      "gpu-memory-utilization",
    ]);
    const named = [...page.matchAll(/(?<![\w-])--([a-z][a-z0-9-]+)/gu)].map(
      ([, name = ""]) => name,
    );
    expect(unique(named).filter((name) => !known.has(name))).toEqual([]);
  });

  it("has a section for each symptom of its table", () => {
    const symptoms = [...page.matchAll(/^\| \[([^\]]+)\]\(#/gmu)].map(
      ([, symptom = ""]) => symptom,
    );
    const sections = [...page.matchAll(/^## (.+)$/gmu)].map(([, title = ""]) => title);
    expect(sections.slice(0, -1)).toEqual(symptoms);
  });
});
