import { PromptHasher } from "../../src/data-plane/scheduling/producers/prefix-index/prompt-hasher.ts";

// The cost of hashing a prompt, of which the first 32,768 tokens count, in microseconds. The hit-rate ladder does this on the
// path of each request if no plugin hashes prompts.
//   node loadtest/micro/prompt-hasher.bench.ts

const promptTokensMax = 32_768;
const prompts = 40;
const rounds = 15;
const options = { model: "m", cacheSalt: "", blockTokens: 64, promptTokensMax };
const words = "the quick brown fox jumps over a lazy dog and runs away from it ".repeat(40_000);

for (const kilobytes of [2, 16, 128, 1_024, 2_048]) {
  for (const [name, mark] of [
    ["ASCII", ""],
    ["other text", "é中"],
  ] as const) {
    // Parsed, as those of requests are.
    const texts = Array.from({ length: prompts }, (_, index): string =>
      JSON.parse(JSON.stringify(`${index}${mark}${words.slice(0, kilobytes * 1_024)}`)),
    );
    const hasher = new PromptHasher();
    const times = Array.from({ length: rounds }, () => {
      const startMs = performance.now();
      for (const text of texts) hasher.hash([[{ kind: "text", text }]], options);
      return ((performance.now() - startMs) / prompts) * 1_000;
    });
    const median = times.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
    process.stdout.write(`${kilobytes} KB, ${name}: ${median.toFixed(1)} us\n`);
  }
}
