import { KeyedHashes } from "../../src/telemetry/recording/keyed-hashes.ts";
import { RequestLines } from "../../src/telemetry/recording/request-lines.ts";
import { SeenModels } from "../../src/telemetry/recording/seen-models.ts";
import { aDecision, aHead, aRecord, aRequest } from "../../test/support/builders.ts";

// The cost of the line of a request, by the blocks of its prompt, hashed 64 at a time. CPU, so that it can be measured on a
// busy machine:
//   node loadtest/micro/recording.bench.ts

const recording = { hashes: new KeyedHashes(), models: new SeenModels(), startedMs: 0 };
const lines = new RequestLines(recording, 16 * 1024 * 1024);
const request = aRequest({ head: aHead(), isStreaming: true });
const usage = { promptTokens: 5_000, outputTokens: 200, cachedTokens: 4_096 };
const record = aRecord({ request, head: request.head, decision: aDecision(), usage });

const rounds = 15;
const batches = 100;
const batchRequests = 64;
const requests = batches * batchRequests;

for (const blocks of [0, 8, 80, 800]) {
  const chain = Uint32Array.from({ length: blocks * 2 }, (_, index) => index * 2_654_435);
  const hashed = { blockTokens: 64, totalBlocks: blocks, chains: [chain] };
  const left = { isAdapter: false, blocks: hashed };
  let bytes = 0;
  const times = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    for (let batch = 0; batch < batches; batch += 1) {
      for (let index = 0; index < batchRequests; index += 1) lines.add(record, left);
      while (lines.hashSome());
      bytes = lines.bytes().length / batchRequests;
      lines.clear();
    }
    const { user, system } = process.cpuUsage(before);
    return (user + system) / requests;
  });
  const median = times.toSorted((a, b) => a - b)[rounds >> 1] ?? 0;
  process.stdout.write(`${blocks} blocks: ${median.toFixed(2)} µs of CPU, ${bytes} bytes\n`);
}
