import { KeyedHashes } from "../../src/telemetry/recording/keyed-hashes.ts";
import { requestLinesOf } from "../../src/telemetry/recording/request-line.ts";
import { SeenModels } from "../../src/telemetry/recording/seen-models.ts";
import { aDecision, aHead, aRecord, aRequest } from "../../test/support/builders.ts";

// The cost of the line of a request, by the blocks of its prompt, 64 at a time. CPU, so that it can be measured on a busy
// machine:
//   node loadtest/micro/recording.bench.ts

const recording = { hashes: new KeyedHashes(), models: new SeenModels(), startedMs: 0 };
const request = aRequest({ head: aHead(), isStreaming: true });
const usage = { promptTokens: 5_000, outputTokens: 200, cachedTokens: 4_096 };
const record = aRecord({ request, head: request.head, decision: aDecision(), usage });

const rounds = 15;
const lines = 1_920;

for (const blocks of [0, 8, 80, 800]) {
  const chain = Uint32Array.from({ length: blocks * 2 }, (_, index) => index * 2_654_435);
  const hashed = { blockTokens: 64, totalBlocks: blocks, chains: [chain] };
  const left = { isAdapter: false, blocks: hashed };
  const ended = Array.from({ length: 64 }, () => ({ record, left }));
  let bytes = 0;
  const times = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    for (let line = 0; line < lines; line += ended.length) {
      for (const made of requestLinesOf(ended, recording)) bytes = JSON.stringify(made).length;
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / lines;
  });
  const median = times.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
  process.stdout.write(`${blocks} blocks: ${median.toFixed(1)} µs of CPU, ${bytes} bytes\n`);
}
