import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { say } from "./support/say.ts";
import { type Tier, tiers } from "./tiers.ts";

/** The parts of vitest's JSON report that are read here. */
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
  /** The reason the whole file failed; empty if a hook inside of `describe` did. */
  readonly message: string;
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages?: readonly string[];
  }[];
}

const usage = `usage: node test/run.ts quick | cluster [FILE...]

quick      static checks, unit, integration and end-to-end tests (npm test)
cluster    tests against a real Kubernetes API server and real gateways (npm run test:cluster);
           with files, only those, and each gets its components when it starts`;

/**
 * Runs one tier of tests: its components, the static checks if it has them, then its suites. The last line is
 * `N passed, N failed`; a test that did not run counts as failed.
 */
async function main(): Promise<number> {
  const [name = "", ...files] = process.argv.slice(2);
  if (name === "cluster") return runTier(tiers.cluster, files);
  if (name === "quick" && files.length === 0) return runTier(tiers.quick, []);
  say(usage);
  return name === "--help" ? 0 : 2;
}

async function runTier(tier: Tier, files: readonly string[]): Promise<number> {
  const failures: string[] = [];
  await timed("components and static checks", async () => {
    // Components come over the network while the checks keep the processors busy.
    const checked = tier.hasStaticChecks
      ? run("npm", ["run", "--silent", "check"])
      : Promise.resolve(0);
    if (files.length === 0) failures.push(...(await findComponents(tier)));
    if ((await checked) !== 0) failures.push("npm run check");
  });
  let report: Report | undefined;
  await timed("suites", async () => {
    report = await suites(tier, files);
  });
  const suitesNotLoaded =
    report?.testResults.filter(
      ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
    ).length ?? 1;
  const notRun = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  if (notRun > 0) failures.push(`${notRun} tests did not run`);

  // Last, for a reader who sees only the end of a long output.
  for (const line of (report?.testResults ?? []).flatMap(failuresOf)) say(`FAILED: ${line}`);
  for (const failure of failures) say(`FAILED: ${failure}`);
  if (tier.left !== undefined) say(tier.left);
  const failed = (report?.numFailedTests ?? 0) + suitesNotLoaded + failures.length;
  say(`${report?.numPassedTests ?? 0} passed, ${failed} failed`);
  return failed === 0 && (report?.numPassedTests ?? 0) > 0 ? 0 : 1;
}

/** Returns the components that could not be had, each with how to get it. */
async function findComponents({ finders }: Tier): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const find of finders) {
    await find(say).catch((cause: unknown) => missing.push(String(cause)));
  }
  return missing;
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

async function suites({ projects }: Tier, files: readonly string[]): Promise<Report | undefined> {
  const folder = mkdtempSync(path.join(tmpdir(), "pointsman-report-"));
  const file = path.join(folder, "report.json");
  // Hundreds of pickers start, each from the same files.
  const env = { NODE_COMPILE_CACHE: path.join(folder, "compile-cache") };
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  try {
    await run(
      "vitest",
      ["run", ...projects.flatMap((name) => ["--project", name]), ...reporters, ...files],
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

/** Resolves to the exit code. npm has put `node_modules/.bin` on the path. */
function run(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: "inherit", env: { ...process.env, ...env } });
    child.on("error", reject);
    child.on("close", resolve);
  });
}

process.exitCode = await main();
