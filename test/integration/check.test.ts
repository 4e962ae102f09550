import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

/** `pointsman check` as a process, given what stands on standard input. */
function check(input: string, ...argv: string[]) {
  const { status, stdout, stderr } = spawnSync("node", ["src/main.ts", "check", ...argv], {
    input,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

const good = "apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n";

it("reads a document from standard input", () => {
  const { status, stdout, stderr } = check(`${good}plugins: [{type: random-picker}]\n`, "-");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toContain("- type: random-picker\n");
});

it("ends with 2 for mistakes, each of which names standard input and its place", () => {
  expect(check(`${good}plugins: [{type: radom-picker}]\n`, "-")).toEqual({
    status: 2,
    stdout: "",
    stderr:
      'standard input: plugins[0].type: there is no plugin "radom-picker"; did you mean random-picker?\n' +
      "standard input: 1 mistake\n",
  });
});

it("ends with 1 for a file that is not there", () => {
  const { status, stdout, stderr } = check("", "no-such-file.yaml");
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toMatch(/^pointsman check: ENOENT: .*no-such-file\.yaml'\n$/);
});
