import { PrefixCache } from "../../src/data-plane/scheduling/producers/prefix-index/prefix-cache.ts";
import { anEndpoint } from "../../test/support/builders.ts";

// What it saves to keep the hashes of prompts while their requests wait: CPU of all prefix lookups of a
// request that is scheduled N times, with hashes that are kept and without, in turns.
//   node loadtest/micro/kept-hashes.bench.ts

const rounds = 9;
const endpointCount = 8;
const sizes = [
  { name: "2 KB", bytes: 2_048, lookUpsPerRound: 40_000 },
  { name: "64 KB", bytes: 65_536, lookUpsPerRound: 2_000 },
];
/** Times that a request is scheduled; 1 if it does not wait. */
const timesScheduled = [1, 2, 4, 8, 32];
const promptsMax = 256;

const candidates = Array.from({ length: endpointCount }, (_, slot) =>
  anEndpoint({ slot, name: `e${slot}` }),
);
const sizedBy = { params: {}, reported: new Float64Array(endpointCount).fill(16) };

interface Load {
  readonly texts: readonly string[];
  readonly times: number;
  readonly mayRepeat: boolean;
}

/** Texts that begin differently; each is in one piece, as the parser leaves it. */
function textsOf(bytes: number): readonly string[] {
  return Array.from({ length: promptsMax }, (_, index) =>
    Buffer.from(String(index).padEnd(bytes, "words that are in every prompt ")).toString(),
  );
}

interface Compared extends Omit<Load, "mayRepeat"> {
  readonly requests: number;
}

/** CPU of one request, in microseconds. */
function cpuUsOf(cache: PrefixCache, { texts, times, mayRepeat }: Load, requests: number): number {
  const start = process.cpuUsage();
  for (let index = 0; index < requests; index += 1) {
    const text = texts[index % promptsMax] ?? "";
    // Each request has prompts of its own, by which its hashes are kept.
    const query = {
      prompts: [[{ kind: "text" as const, text }]],
      ...{ model: "sim-model", cacheSalt: "", promptTokensMax: 0, candidates, sizedBy },
      ...{ blockTokensOf: () => 16, mayRepeat, nowMs: 1 },
    };
    let found = cache.lookUp(query);
    for (let time = 1; time < times; time += 1) found = cache.lookUp(query);
    found.add(index % endpointCount, 20_000);
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / requests;
}

function summaryOf(values: number[]): { readonly median: number; readonly text: string } {
  const sorted = values.toSorted((a, b) => a - b);
  const median = sorted[rounds >> 1] ?? Number.NaN;
  const range = `${sorted[0]?.toFixed(1)} to ${sorted.at(-1)?.toFixed(1)}`;
  return { median, text: `${median.toFixed(1)} us (${range})` };
}

/** Prints what requests cost that are scheduled so many times. */
function compare(name: string, { texts, times, requests }: Compared): void {
  const contestants = [true, false].map((mayRepeat) => ({
    load: { texts, times, mayRepeat },
    cache: new PrefixCache(),
    cpuUs: [] as number[],
  }));
  for (const { cache, load } of contestants) cpuUsOf(cache, load, requests);
  for (let round = 0; round < rounds; round += 1) {
    for (const { cache, load, cpuUs } of contestants) cpuUs.push(cpuUsOf(cache, load, requests));
  }
  const [kept, again] = contestants.map(({ cpuUs }) => summaryOf(cpuUs));
  const ratio = ((kept?.median ?? 0) / (again?.median ?? 0)).toFixed(2);
  process.stdout.write(
    `${name}, scheduled ${times} times: kept ${kept?.text}, hashed again ${again?.text}, ratio ${ratio}\n`,
  );
}

for (const { name, bytes, lookUpsPerRound } of sizes) {
  const texts = textsOf(bytes);
  for (const times of timesScheduled) {
    compare(name, { texts, times, requests: Math.ceil(lookUpsPerRound / times) });
  }
}
