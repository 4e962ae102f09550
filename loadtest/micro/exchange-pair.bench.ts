import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";

// exchange.bench.ts under two documents, each in a process of its own, in turns of a few dozen milliseconds: what else the
// machine does hits both alike. Prints medians and quartiles of the ratio of neighbouring turns.
//   node loadtest/micro/exchange-pair.bench.ts --document default --document queue

const { values, positionals } = parseArgs({
  options: {
    document: { type: "string", multiple: true, default: ["default", "queue"] },
    pairs: { type: "string", default: "300" },
    "warm-up": { type: "string", default: "60" },
    "round-ms": { type: "string", default: "60" },
    /** Milliseconds between two requests; 0 for none. */
    "every-ms": { type: "string", default: "0" },
  },
  allowPositionals: true,
});
if (positionals.length > 0) throw new Error(`unknown: ${positionals.join(" ")}`);

interface Round {
  readonly us: number;
  readonly bytes: number;
}

async function started(document: string): Promise<ChildProcess> {
  const flags = ["round-ms", "every-ms"].flatMap((name) => [`--${name}`, valueOf(name)]);
  const args = ["--document", document, ...flags];
  const program = new URL("exchange.bench.ts", import.meta.url);
  const child = fork(program, args, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  await once(child, "message");
  return child;
}

function valueOf(name: string): string {
  return name === "round-ms" ? values["round-ms"] : values["every-ms"];
}

async function roundOf(child: ChildProcess | undefined): Promise<Round> {
  if (child === undefined) throw new Error("there are two documents");
  child.send("go");
  const [round] = (await once(child, "message")) as [Round];
  return round;
}

const [first, second] = [
  await started(values.document[0] ?? ""),
  await started(values.document[1] ?? ""),
];
const rounds: (readonly [Round, Round])[] = [];
for (let pair = -Number(values["warm-up"]); pair < Number(values.pairs); pair += 1) {
  // Who goes first changes, too.
  const isSwapped = pair % 2 !== 0;
  const early = await roundOf(isSwapped ? second : first);
  const late = await roundOf(isSwapped ? first : second);
  if (pair >= 0) rounds.push(isSwapped ? [late, early] : [early, late]);
}

function quartiles(numbers: readonly number[], digits: number): string {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(digits);
  return `${at(0.5)} (${at(0.25)} to ${at(0.75)})`;
}

for (const key of ["us", "bytes"] as const) {
  const [a, b] = [0, 1].map((index) => rounds.map((pair) => pair[index]?.[key] ?? Number.NaN));
  const ratios = rounds.map(([one, other]) => other[key] / one[key]);
  const texts = [a ?? [], b ?? []].map((numbers) => quartiles(numbers, 0));
  process.stdout.write(`${key}: ${texts.join(", ")}; ratio ${quartiles(ratios, 3)}\n`);
}
process.exit(0);
