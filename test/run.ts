import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { findConformanceSuite } from "./components/conformance-suite.ts";
import { findControlPlane } from "./components/control-plane.ts";
import { findControllerManager } from "./components/controller-manager.ts";
import { crdFiles } from "./components/crds.ts";
import { envoyPath } from "./components/envoy.ts";
import { findEnvoyAiGateway } from "./components/envoy-ai-gateway.ts";
import { findEnvoyGateway } from "./components/envoy-gateway.ts";
import { gatewayCrdFiles } from "./components/gateway-crds.ts";
import { findHelm } from "./components/helm.ts";
import { findIstio } from "./components/istio.ts";
import { findKustomize } from "./components/kustomize.ts";
import { findOldestNode } from "./components/oldest-node.ts";
import { findPromtool } from "./components/promtool.ts";
import { say } from "./support/say.ts";

/** What of vitest's JSON report is read here. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly FileReport[];
}

interface FileReport {
  readonly name: string;
  readonly status: string;
  /** Why the file as a whole failed; empty where a hook inside of `describe` did. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages?: readonly string[];
  }[];
}

/**
 * Everything `npm test` runs: the components that tests need, the static checks, then every suite.
 * Ends with a line `N passed, N failed`; a test that did not run counts as failed.
 */
async function main(): Promise<number> {
  const failures: string[] = [];
  await timed("components", async () => {
    // What is built for minutes comes last.
    const finders = [
      ...[envoyPath, findPromtool, findOldestNode, crdFiles, gatewayCrdFiles],
      ...[findKustomize, findHelm, findControlPlane, findControllerManager],
      ...[findConformanceSuite, findEnvoyGateway, findEnvoyAiGateway, findIstio],
    ];
    for (const find of finders) {
      await find(say).catch((cause: unknown) => failures.push(String(cause)));
    }
  });
  await timed("static checks", () => {
    if (run("npm", ["run", "--silent", "check"]) !== 0) failures.push("npm run check");
  });
  let report: Report | undefined;
  await timed("suites", () => {
    report = suites();
  });
  const suitesNotLoaded =
    report?.testResults.filter(
      ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
    ).length ?? 1;
  const notRun = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  if (notRun > 0) failures.push(`${notRun} tests did not run`);

  // Last, where whoever sees only the end of a long output sees them.
  for (const line of (report?.testResults ?? []).flatMap(failuresOf)) say(`FAILED: ${line}`);
  for (const failure of failures) say(`FAILED: ${failure}`);
  const failed = (report?.numFailedTests ?? 0) + suitesNotLoaded + failures.length;
  say(`${report?.numPassedTests ?? 0} passed, ${failed} failed`);
  return failed === 0 && (report?.numPassedTests ?? 0) > 0 ? 0 : 1;
}

/** A line for each failure of a file: where, which test, and how its message begins. */
function failuresOf({ name, status, message, assertionResults }: FileReport): readonly string[] {
  if (status !== "failed") return [];
  const file = path.relative(process.cwd(), name);
  const tests = assertionResults.flatMap(({ fullName, status: how, failureMessages }) =>
    how === "failed" ? [`${file} > ${fullName}: ${beginningOf(failureMessages?.join("\n"))}`] : [],
  );
  return tests.length > 0
    ? tests
    : [`${file}: ${beginningOf(message || "a hook failed, see above")}`];
}

/** Characters of a failure's message that are repeated at the end. */
const beginningLength = 400;

function beginningOf(message = ""): string {
  return message.slice(0, beginningLength);
}

function suites(): Report | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-report-"));
  const file = path.join(folder, "report.json");
  // Hundreds of pickers start, each from the same files.
  const env = { NODE_COMPILE_CACHE: path.join(folder, "compile-cache") };
  try {
    run(
      "vitest",
      ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`],
      env,
    );
    // The file is vitest's own, of the version in the lock file.
    return JSON.parse(readFileSync(file, "utf8")) as Report;
  } catch (cause) {
    say(`FAILED: no report of the suites: ${String(cause)}`);
    return undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function timed(what: string, work: () => unknown): Promise<void> {
  const startMs = performance.now();
  await work();
  say(`${what}: ${((performance.now() - startMs) / 1_000).toFixed(1)} s`);
}

/** npm has put `node_modules/.bin` on the path. */
function run(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): number | null {
  return spawnSync(program, argv, { stdio: "inherit", env: { ...process.env, ...env } }).status;
}

process.exitCode = await main();
