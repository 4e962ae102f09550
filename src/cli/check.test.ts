import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { check } from "./check.ts";
import { UsageError } from "./command.ts";

const folder = mkdtempSync(path.join(tmpdir(), "pointsman-check-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A file with a document of today's kind. */
function fileOf(body: string): string {
  const file = path.join(folder, "picker.yaml");
  writeFileSync(file, `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${body}`);
  return file;
}

/** Runs the command, gathering what it writes; `lines` are what a wrong command line gets. */
async function run(...argv: string[]) {
  const written = { stdout: "", stderr: "" };
  try {
    const exitCode = await check.run({
      argv,
      env: {},
      stdout: (text) => void (written.stdout += text),
      stderr: (text) => void (written.stderr += text),
      stop: AbortSignal.abort(),
      cut: AbortSignal.abort(),
    });
    return { ...written, exitCode, lines: [] };
  } catch (cause) {
    if (cause instanceof UsageError) return { ...written, exitCode: 1, lines: cause.lines };
    throw cause;
  }
}

describe("check of a good document", () => {
  it("prints the effective one as YAML, with who asked for what it does not declare", async () => {
    const file = fileOf("plugins: [{type: load-aware-scorer}, {type: weighted-random-picker}]\n");
    const { exitCode, stdout, stderr } = await run(file);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/^# Plugins that the document does not declare:\n/);
    expect(stdout).toContain("#   single-profile-handler: injected\n");
    expect(parse(stdout)).toMatchObject({
      apiVersion: "llm-d.ai/v1alpha1",
      plugins: expect.arrayContaining([
        { type: "load-aware-scorer", parameters: { threshold: 128 } },
      ]),
      schedulingProfiles: [
        {
          name: "default",
          plugins: [
            { pluginRef: "load-aware-scorer", weight: 1 },
            { pluginRef: "weighted-random-picker" },
          ],
        },
      ],
    });
  });

  it.each(["--output=json", "-o=json"])("prints the same as JSON with %s", async (flag) => {
    const file = fileOf("plugins: [{type: queue-scorer}]\n");
    const [yaml, json] = [await run(file), await run(file, flag)];
    expect(json.exitCode).toBe(0);
    expect(JSON.parse(json.stdout)).toEqual(parse(yaml.stdout));
  });

  it("prints warnings on standard error, beside the document", async () => {
    const { exitCode, stdout, stderr } = await run(
      fileOf("plugins: [{name: f, type: by-label-selector}, {type: queue-scorer}]\n"),
    );
    expect(exitCode).toBe(0);
    expect(stderr).toBe(
      "warning: plugins[0].type: by-label-selector is an older name of label-selector-filter\n",
    );
    expect(stdout).toContain("type: label-selector-filter\n");
  });

  it.each([
    [
      "plugins: [{type: max-score-picker}]\n",
      "plugins: it has no scorer, so endpoints that pass its filters are picked at random",
    ],
    [
      "plugins: [{type: queue-scorer}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: queue-scorer, weight: 0}]}]\n",
      "schedulingProfiles[0]: every scorer has weight 0, so endpoints are picked at random",
    ],
    [
      "plugins: [{type: queue-scorer}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: queue-scorer, weight: -2}]}]\n",
      "schedulingProfiles[0]: queue-scorer has weight -2, so the endpoints that it scores worst are preferred",
    ],
    [
      "plugins: [{type: queue-scorer}, {type: random-picker}]\n",
      "plugins: random-picker ignores its scorers; endpoints are picked at random",
    ],
  ])("warns of one that routes by nothing: %j", async (text, warning) => {
    const { exitCode, stderr } = await run(fileOf(text));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: `warning: ${warning}\n` });
  });

  it.each([
    [
      "concurrency-detector",
      "stalenessPolicy: saturated",
      "the picker's own counts are never stale",
    ],
    ["predicted-latency-producer", "contextTTL: 1m", "a request counts until its stream ends"],
    ["predicted-latency-producer", "samplingMean: 500", "tokens are not sampled"],
  ])("warns of a parameter of %s that has no effect: %s", async (type, parameter, reason) => {
    const { exitCode, stderr } = await run(
      fileOf(`plugins: [{type: latency-scorer}, {type: ${type}, parameters: {${parameter}}}]\n`),
    );
    expect(exitCode).toBe(0);
    const [name] = parameter.split(":");
    expect(stderr).toBe(`warning: plugins[1].parameters.${name} has no effect: ${reason}\n`);
  });

  it.each([
    "plugins: [{type: random-picker}]\n",
    "plugins: [{type: queue-scorer}, {type: kv-cache-utilization-scorer}]\nschedulingProfiles: [{name: a, plugins: [{pluginRef: queue-scorer, weight: 0}, {pluginRef: kv-cache-utilization-scorer}]}]\n",
  ])("warns of nothing for %j", async (text) => {
    const { exitCode, stderr } = await run(fileOf(text));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  });

  it("prints what it takes itself", async () => {
    const { stdout } = await run();
    writeFileSync(path.join(folder, "effective.yaml"), stdout);
    const again = await run(path.join(folder, "effective.yaml"));
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    expect(parse(again.stdout)).toEqual(parse(stdout));
  });

  it("takes the default document without a file", async () => {
    const { exitCode, stdout } = await run("--output", "json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      schedulingProfiles: [
        {
          plugins: [
            { pluginRef: "stored-response-filter" },
            { pluginRef: "expected-latency-scorer" },
            { pluginRef: "max-score-picker" },
          ],
        },
      ],
    });
  });

  it("takes plugins of conformance tests only where it is told to", async () => {
    const file = fileOf("plugins: [{type: header-based-testing-filter}]\n");
    expect(await run(file)).toMatchObject({ exitCode: 2 });
    expect(await run(file, "--enable-conformance-plugins")).toMatchObject({ exitCode: 0 });
  });
});

describe("check of a document with mistakes", () => {
  const wrong = "plugins: [{type: queue-scorr}, {type: random-picker, parameters: {many: 2}}]\n";
  const mistakes = [
    'plugins[0].type: there is no plugin "queue-scorr"; did you mean queue-scorer?',
    "plugins[1].parameters.many: there is no such field",
  ];

  it("prints each on a line of standard error after the file's name, then how many", async () => {
    const file = fileOf(wrong);
    const { exitCode, stdout, stderr } = await run(file);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr.split("\n")).toEqual([
      ...mistakes.map((mistake) => `${file}: ${mistake}`),
      `${file}: 2 mistakes`,
      "",
    ]);
  });

  it("prints them as JSON on standard output where that is asked for", async () => {
    const { exitCode, stdout, stderr } = await run(fileOf(wrong), "--output=json");
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({ mistakes });
  });

  it("counts one mistake as one", async () => {
    const { stderr } = await run(fileOf("pluginz: []\n"));
    expect(stderr).toMatch(/: pluginz: there is no such field; .*\n.*: 1 mistake\n$/);
  });

  it("reports mistakes that only building shows", async () => {
    const { exitCode, stderr } = await run(
      fileOf(
        "plugins: [{type: single-profile-handler}]\nschedulingProfiles: [{name: a}, {name: b}]\n",
      ),
    );
    expect(exitCode).toBe(2);
    expect(stderr).toContain("there are 2\n");
  });
});

describe("check", () => {
  it("answers --help with its flags and exit codes", async () => {
    const { exitCode, stdout } = await run("--help");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Usage: pointsman check FILE \[flags\]\n/);
    expect(stdout).toContain(
      "Exit codes: 0 if the document is valid, 2 if it has mistakes, 1 if FILE",
    );
    expect(stdout).toMatch(/^ +--output string$/m);
  });

  it.each([
    { argv: ["no-such-file.yaml"], line: /^ENOENT: .*no-such-file\.yaml/ },
    { argv: ["a.yaml", "b.yaml"], line: /^want one FILE, got 2$/ },
    { argv: ["--output=xml"], line: /^invalid argument "xml" for --output: want yaml or json$/ },
    { argv: ["--outputs=json"], line: /^unknown flag: --outputs \(did you mean --output\?\)$/ },
  ])("ends with 1 where the command line is wrong: $argv", async ({ argv, line }) => {
    const { exitCode, stdout, lines } = await run(...argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(lines).toEqual([expect.stringMatching(line)]);
  });
});

const envoyFileOf = (text: string) => {
  const file = path.join(folder, "envoy.yaml");
  writeFileSync(file, text);
  return file;
};
const buffered = (more: string) =>
  envoyFileOf(
    `typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor, ${more}}\n`,
  );
const gate = "featureGates: [flowControl]\n";

describe("check with Envoy's configuration", () => {
  it("finds a timeout that ends waits, and exits with 2", async () => {
    const envoy = buffered("message_timeout: 1s, processing_mode: {request_body_mode: BUFFERED}");
    const { exitCode, stdout, stderr } = await run(fileOf(gate), "--envoy-config", envoy);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    expect(stderr).toContain(
      `${envoy}: typed_config.message_timeout: 1 s ends requests that wait: waits may take 62 s (flowControl)\n${envoy}: 1 mistake\n`,
    );
  });

  it("prints the document if timeouts are in order, also those that the picker asks for", async () => {
    const envoy = buffered(
      "message_timeout: 1s, max_message_timeout: 90s, processing_mode: {request_body_mode: BUFFERED}",
    );
    const flags = ["--envoy-config", envoy, "--max-message-timeout", "90s"];
    const { exitCode, stdout } = await run(fileOf(gate), ...flags);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("flowControl=true");
  });

  it("refuses a file without a filter of Envoy", async () => {
    const envoy = envoyFileOf("a: 1\n");
    const { exitCode, lines } = await run(fileOf(gate), "--envoy-config", envoy);
    expect({ exitCode, lines }).toEqual({
      exitCode: 1,
      lines: [`${envoy}: there is no external processor and no route in it`],
    });
  });
});
