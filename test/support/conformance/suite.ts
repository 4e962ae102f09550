import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { start } from "../child.ts";

/** Milliseconds between two looks for tests that have begun. */
const progressEveryMs = 500;

export interface SuiteCommand {
  /** The suite's binary with what puts it where the gateways are. */
  readonly line: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly reportFile: string;
  /** Ends it before its time. */
  readonly signal: AbortSignal;
}

export interface SuiteRun {
  readonly exit: number | string;
  readonly output: string;
  /** By the name of the test, as the suite's output has them. */
  readonly tests: ReadonlyMap<string, SuiteTest>;
  /** As the suite wrote it; undefined where it did not come to that. */
  readonly report: SuiteReport | undefined;
  readonly reportText: string;
}

interface SuiteTest {
  readonly outcome: "PASS" | "FAIL" | "SKIP";
  readonly seconds: number;
  /** What the suite printed while it ran. */
  readonly words: string;
}

/** The report, in the fields that are looked at. */
interface SuiteReport {
  readonly GatewayAPIInferenceExtensionVersion: string;
  readonly gatewayAPIVersion: string;
  readonly profiles: readonly {
    readonly name: string;
    readonly core: {
      readonly result: string;
      readonly statistics: Readonly<Record<"Passed" | "Failed" | "Skipped", number>>;
    };
  }[];
}

/** Runs the suite to its end, with a line of progress for each of its tests. */
export async function runSuite(
  { line, env, reportFile, signal }: SuiteCommand,
  progress: (line: string) => void,
): Promise<SuiteRun> {
  const [program = "", ...argv] = line;
  const child = start(program, argv, env);
  signal.addEventListener("abort", () => child.signal("SIGTERM"));
  let told = 0;
  const timer = setInterval(() => {
    const begun = testsBegunIn(child.output());
    for (const name of begun.slice(told)) progress(`conformance: ${name}`);
    told = begun.length;
  }, progressEveryMs);
  try {
    const exit = await child.ended;
    const output = child.output();
    const reportText = await readFile(reportFile, "utf8").catch(() => "");
    // The file is the suite's own, of the version in its go.mod.
    const report = (parse(reportText) ?? undefined) as SuiteReport | undefined;
    return { exit, output, tests: testsIn(output), report, reportText };
  } finally {
    clearInterval(timer);
    await child.close();
  }
}

function testsBegunIn(output: string): readonly string[] {
  return [...output.matchAll(/^=== RUN +TestConformance\/(\w+)$/gm)].map(([, name = ""]) => name);
}

/**
 * The tests one level below the suite's only Go test, in the verbose output of `go test`, which says
 * how they went when all have ended.
 */
function testsIn(output: string): ReadonlyMap<string, SuiteTest> {
  const words = new Map<string, string[]>();
  const tests = new Map<string, SuiteTest>();
  let running: string[] | undefined;
  for (const line of output.split("\n")) {
    const begun = /^=== RUN +TestConformance\/(\w+)$/.exec(line)?.[1];
    if (begun !== undefined) words.set(begun, (running = []));
    running?.push(line);
    const [, outcome, name, seconds] =
      /^ +--- (PASS|FAIL|SKIP): TestConformance\/(\w+) \(([\d.]+)s\)$/.exec(line) ?? [];
    if (name === undefined) continue;
    tests.set(name, {
      // The three words that the expression names.
      outcome: outcome as SuiteTest["outcome"],
      seconds: Number(seconds),
      words: words.get(name)?.join("\n") ?? "",
    });
  }
  return tests;
}
