import { parseArgs } from "node:util";
import { runFuzzCase } from "../test/support/exposition-fuzz.ts";
import { goldenExpositions } from "../test/support/expositions.ts";

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: "10000000" },
    seed: { type: "string", default: "1" },
    case: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

const help = `Usage: node loadtest/fuzz-prometheus-text.ts [options]

Mutates the pages of test/expositions and holds what the parser reads against a second, plain reader.
Ends with 1 at the first difference.

  --bytes N   mutated bytes to read (default 10000000)
  --seed N    (default 1)
  --case N    only this case, which a failure has named
`;

const progressBytes = 1_000_000;

function fuzz(): string | undefined {
  const pages = goldenExpositions();
  const seed = Number(values.seed);
  if (values.case !== undefined) return runFuzzCase(pages, seed, Number(values.case)).failure;
  const sum = { cases: 0, bytes: 0, untouched: 0, changed: 0, spoiled: 0 };
  const bytesMax = Number(values.bytes);
  const startMs = performance.now();
  let shownBytes = 0;
  while (sum.bytes < bytesMax) {
    const { failure, ...outcome } = runFuzzCase(pages, seed, sum.cases);
    if (failure !== undefined) return failure;
    sum.cases += 1;
    sum.bytes += outcome.bytes;
    sum.untouched += outcome.untouched;
    sum.changed += outcome.changed;
    sum.spoiled += outcome.spoiled;
    if (sum.bytes - shownBytes < progressBytes && sum.bytes < bytesMax) continue;
    shownBytes = sum.bytes;
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    process.stdout.write(`${JSON.stringify({ seed, ...sum, seconds })}\n`);
  }
  return undefined;
}

if (values.help) process.stdout.write(help);
else {
  const failure = fuzz();
  if (failure !== undefined) {
    process.stderr.write(`${failure}\n`);
    process.exitCode = 1;
  }
}
