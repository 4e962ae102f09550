import type { PromptBlocks } from "../../src/core/prefix-match.ts";
import { PrefixCache } from "../../src/data-plane/scheduling/producers/prefix-index/prefix-cache.ts";
import { PrefixIndex } from "../../src/data-plane/scheduling/producers/prefix-index/prefix-index.ts";
import { PromptHasher } from "../../src/data-plane/scheduling/producers/prefix-index/prompt-hasher.ts";
import { seededRandom } from "../../src/std/random.ts";

// What the prefix index costs at the size it is built for: 64 endpoints of 20,000 blocks each, and a
// prompt of 2,000 blocks, which are 512 KB of text. Prints memory, medians and longest pauses.
//   node loadtest/micro/prefix-index.bench.ts

const slots = 64;
const blocksPerSlot = 20_000;
const promptBlocks = 2_000;

const random = seededRandom(5);

/** Hashes of a prompt nobody has seen. */
function newPrompt(): PromptBlocks {
  const chain = new Uint32Array(promptBlocks * 2);
  for (let word = 0; word < chain.length; word += 1) chain[word] = random() * 2 ** 32;
  return { blockTokens: 64, totalBlocks: promptBlocks, chains: [chain] };
}

interface Case<T> {
  readonly name: string;
  /** Makes what a round works on; it is not timed. */
  readonly prepare: (round: number) => T;
  readonly work: (prepared: T, round: number) => void;
  readonly rounds?: number;
}

/** Prints the median and the longest of several rounds. */
function time<T>({ name, prepare, work, rounds = 200 }: Case<T>): void {
  const durationsUs: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const prepared = prepare(round);
    const startMs = performance.now();
    work(prepared, round);
    durationsUs.push((performance.now() - startMs) * 1_000);
  }
  durationsUs.sort((a, b) => a - b);
  const median = (durationsUs[Math.floor(rounds / 2)] ?? 0).toFixed(1);
  const longest = (durationsUs.at(-1) ?? 0).toFixed(0);
  print(`${name.padEnd(58)} median ${median} us, longest ${longest} us`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

const use = { capacityBlocks: blocksPerSlot, nowMs: 60_000 };
const index = new PrefixIndex();
const held: PromptBlocks[] = [];
const promptsPerSlot = blocksPerSlot / promptBlocks;
const residentBytes = process.memoryUsage().rss;
time({
  name: "add a new prompt of 2,000 blocks while filling up",
  prepare: newPrompt,
  work: (prompt, round) => {
    held.push(prompt);
    index.add(Math.floor(round / promptsPerSlot), prompt, use);
  },
  rounds: slots * promptsPerSlot,
});
const grown = megabytes(process.memoryUsage().rss - residentBytes);
print(
  `${index.entryCount} entries, ${index.blockCount} blocks: resident memory grew by ${grown}, the prompts' own hashes ` +
    `among them; the index counts ${megabytes(index.memoryBytes)}`,
);

const asked = new Int32Array(128).fill(-1, 0, slots / 32);
const matched = new Uint32Array(4_096);
const match = (prompt: PromptBlocks): void => {
  index.match(prompt, asked, matched);
};
const someHeld = (): PromptBlocks => held[Math.floor(random() * held.length)] ?? newPrompt();
time({ name: "match a held prompt, each time another one", prepare: someHeld, work: match });
time({ name: "match a prompt nobody holds", prepare: newPrompt, work: match });
time({
  name: "add a prompt that is held already",
  prepare: someHeld,
  work: (prompt) => {
    index.add(3, prompt, use);
  },
});
time({
  name: "add a new prompt in the place of older ones",
  prepare: newPrompt,
  work: (prompt) => {
    index.add(4, prompt, use);
  },
});
const shared = newPrompt();
for (let slot = 0; slot < slots; slot += 1) index.add(slot, shared, use);
time({ name: "match a prompt that all 64 hold", prepare: () => shared, work: match });
time({
  name: "forget an endpoint of 20,000 blocks",
  prepare: (round) => round,
  work: (slot) => {
    index.forget(slot);
  },
  rounds: slots,
});

const text = "The pointsman threw the lever before the train came, as he had done for years. "
  .repeat(8_000)
  .slice(0, promptBlocks * 256);
const prompts = [[{ kind: "text", text } as const]];
const how = { model: "m", cacheSalt: "", blockTokens: 64, promptTokensMax: 131_072 };
const hasher = new PromptHasher();
time({
  name: "hash 512 KB of text",
  prepare: () => prompts,
  work: (each) => {
    hasher.hash(each, how);
  },
});

const candidates = Array.from({ length: slots }, (_, slot) => ({
  id: `default/e${slot}`,
  namespace: "default",
  name: `e${slot}`,
  address: "10.0.0.1",
  port: 8_000,
  hostPort: `10.0.0.1:${slot}`,
  labels: {},
  slot,
}));
const cache = new PrefixCache();
const query = { prompts, ...how, candidates, blockTokensOf: () => 64, nowMs: 60_000 };
for (const { slot } of candidates) cache.lookUp(query).add(slot, blocksPerSlot);
time({
  name: "look the same text up for 64 endpoints that hold it",
  prepare: () => query,
  work: (each) => {
    cache.lookUp(each);
  },
});
