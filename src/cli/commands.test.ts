import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type CommandContext, UsageError } from "./command.ts";
import { parseFlags } from "./flags.ts";
import { serveFlags } from "./serve-flags.ts";
import { commandFor } from "./commands.ts";

/** Runs a command line, gathering what it writes; every case here ends before anything listens. */
async function run(...argv: string[]) {
  const written = { stdout: "", stderr: "" };
  const { command, argv: rest } = commandFor(argv, {});
  const context: CommandContext = {
    argv: rest,
    env: {},
    stdout: (text) => void (written.stdout += text),
    stderr: (text) => void (written.stderr += text),
    stop: AbortSignal.abort(),
    cut: AbortSignal.abort(),
  };
  try {
    const exitCode = await command.run(context);
    return { ...written, exitCode, lines: [] };
  } catch (cause) {
    if (cause instanceof UsageError) return { ...written, exitCode: 1, lines: cause.lines };
    throw cause;
  }
}

describe("commandFor", () => {
  it.each([
    { argv: ["serve", "--v", "1"], name: "serve", rest: ["--v", "1"] },
    { argv: ["sim", "--engines", "2"], name: "sim", rest: ["--engines", "2"] },
    { argv: ["--pool-name", "p"], name: "serve", rest: ["--pool-name", "p"] },
    { argv: ["-poolName=p"], name: "serve", rest: ["-poolName=p"] },
    { argv: ["", "--pool-name", "p"], name: "serve", rest: ["", "--pool-name", "p"] },
    { argv: ["--help", "--pool-name"], name: "serve", rest: ["--help", "--pool-name"] },
    { argv: ["--bogus", "--help"], name: "serve", rest: ["--bogus", "--help"] },
    { argv: [], name: "help", rest: [] },
    { argv: ["help"], name: "help", rest: [] },
    { argv: ["--help"], name: "help", rest: [] },
    { argv: ["help", "serve"], name: "help", rest: ["serve"] },
    { argv: ["--version"], name: "version", rest: [] },
  ])("takes $argv for $name", ({ argv, name, rest }) => {
    expect(commandFor(argv, {})).toMatchObject({ name, argv: rest });
  });
});

describe("--version", () => {
  it("prints the version of package.json", async () => {
    const { stdout, exitCode } = await run("--version");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/u);
    expect(readFileSync("package.json", "utf8")).toContain(`"version": "${stdout.trim()}"`);
  });
});

describe("an empty command line", () => {
  it("serves where the environment sets a flag of serve", () => {
    expect(commandFor([], { POINTSMAN_CONFIG_FILE: "/config" })).toMatchObject({ name: "serve" });
  });

  it("takes no address that Kubernetes sets for a Service for a flag", () => {
    const env = { POINTSMAN_METRICS_PORT: "tcp://10.0.0.7:9090" };
    expect(commandFor([], env).name).toBe("help");
    expect(parseFlags(serveFlags, [], env)).toMatchObject({ values: { "metrics-port": 9090 } });
  });

  it("asks for help where it sets none, or something else of ours", () => {
    expect(commandFor([], { POINTSMAN_CACHE_DIR: "/c", POINTSMAN_V: "" }).name).toBe("help");
  });
});

describe("the commands", () => {
  it("are listed by help, with a line each", async () => {
    const { exitCode, stdout } = await run("help");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ +serve +\S/m);
    expect(stdout).toMatch(/^ +sim +\S/m);
  });

  it.each(["demon", "Serve", "constructor", "__proto__"])("are not %s", async (word) => {
    const { exitCode, stderr } = await run(word);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(new RegExp(`there is no command "${word}"; there are .*serve`));
  });

  it.each([
    ["serve", "--help"],
    ["sim", "--help"],
    ["--pool-name", "p", "--help"],
  ])("list their flags on --help: %s %s", async (...argv) => {
    const { exitCode, stdout } = await run(...argv);
    expect(exitCode).toBe(0);
    expect(stdout.match(/^ +--[a-z-]+/gm)?.length).toBeGreaterThan(20);
  });

  it.each(["serve", "sim"])("refuse unknown flags: %s", async (name) => {
    const { lines } = await run(name, "--bogus");
    expect(lines).toEqual([expect.stringMatching(/^unknown flag: --bogus/)]);
  });
});

describe("serve", () => {
  it("refuses a file and a text at once", async () => {
    const { lines } = await run("serve", "--config-file", "a", "--config-text", "b");
    expect(lines).toEqual(["--config-file and --config-text cannot both be given"]);
  });

  it("says which file it could not read", async () => {
    const { lines } = await run("serve", "--config-file", "no-such-file.yaml");
    expect(lines).toEqual([expect.stringMatching(/^--config-file: .*no-such-file\.yaml/)]);
  });

  it("puts the source before each mistake of a configuration", async () => {
    const { lines } = await run("serve", "--config-text", "apiVersion: v9\nkind: Other\n");
    expect(lines).toEqual([
      expect.stringMatching(/^--config-text: apiVersion: /),
      expect.stringMatching(/^--config-text: kind: /),
    ]);
  });

  it("refuses a configuration whose plugins do not go together", async () => {
    const text = JSON.stringify({
      apiVersion: "llm-d.ai/v1alpha1",
      kind: "EndpointPickerConfig",
      schedulingProfiles: [{ name: "a" }, { name: "b" }],
    });
    const { lines } = await run("serve", "--config-text", text);
    expect(lines).toEqual([
      expect.stringMatching(/2 scheduling profiles need one profile handler; there are: none$/),
    ]);
  });

  it("refuses a scrape scheme there is not", async () => {
    const { lines } = await run("serve", "--model-server-metrics-scheme", "ftp");
    expect(lines).toEqual([expect.stringContaining("--model-server-metrics-scheme")]);
  });
});
