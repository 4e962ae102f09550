import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { peerScorers, pickerDocument, scorersIn } from "../picker-document.ts";
import { bodiesOf, deciderOf } from "./deciders.ts";

// What the default policy costs against llm-d-router's default document, in turns in one process: a
// decision alone, and a whole request with its first token and its end. Medians of 31 rounds of each, in
// microseconds of CPU, and of the ratios of the rounds.
//   node --expose-gc loadtest/micro/policy-cost.bench.ts [CELL ...]

const rounds = 31;
const warmUpRounds = 8;
const peerDocument = pickerDocument("/dev/null", scorersIn(peerScorers));

interface Cell {
  readonly name: string;
  readonly count: number;
  readonly bytes: number;
  readonly adapters?: number;
  readonly work: "decide" | "serve";
}

const counts = [8, 64, 256, 1_024];
const cells: readonly Cell[] = [
  ...counts.map((count): Cell => ({ name: "decide-2K", count, bytes: 2_048, work: "decide" })),
  ...counts.map((count): Cell => ({ name: "serve-2K", count, bytes: 2_048, work: "serve" })),
  ...counts.map((count): Cell => ({ name: "serve-64K", count, bytes: 65_536, work: "serve" })),
  ...counts.map((count): Cell => ({
    name: "serve-lora",
    count,
    bytes: 2_048,
    adapters: 16,
    work: "serve",
  })),
];

/** CPU time of the process, its garbage collector included, so that other processes do not count. */
function eachUs(work: () => void, times: number): number {
  const before = process.cpuUsage();
  for (let index = 0; index < times; index += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function measure({ name, count, bytes, adapters = 0, work }: Cell): void {
  const bodies = bodiesOf(bytes, adapters);
  const contestants = [undefined, peerDocument].map((document) => ({
    run: deciderOf({
      count,
      bodies,
      adapters,
      log: new DecisionLog(),
      ...(document === undefined ? {} : { document }),
    })[work],
    durationsUs: [] as number[],
  }));
  const times = Math.ceil(600_000 / (bytes > 10_000 ? 100 : 15) / (10 + count ** 0.8));
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const inTurn = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const { run, durationsUs } of inTurn) durationsUs.push(eachUs(run, times));
  }
  const [ours = [], peers = []] = contestants.map(({ durationsUs }) =>
    durationsUs.slice(warmUpRounds),
  );
  const ratio = medianOf(ours.map((each, index) => each / (peers[index] ?? Number.NaN)));
  const shown = [medianOf(ours), medianOf(peers)].map((each) => each.toFixed(1).padStart(7));
  process.stdout.write(
    `${name.padEnd(11)} ${String(count).padStart(5)} endpoints: ${shown.join(" us, peer ")} us, ratio ${ratio.toFixed(2)}\n`,
  );
}

const wanted = new Set(process.argv.slice(2));
for (const cell of cells) {
  if (wanted.size === 0 || wanted.has(cell.name)) measure(cell);
}
