import { defaultConfigText } from "../../src/config/default-document.ts";
import { runPlaced } from "../../src/replay/placed-run.ts";
import { planOfRecording } from "../../src/replay/recorded-plan.ts";
import type { Recording } from "../../src/replay/recording.ts";
import { defaultEngineOptions } from "../../src/simulator/engine-options.ts";
import { seededRandom } from "../../src/std/random.ts";
import type { RequestLine } from "../../src/telemetry/recording/lines.ts";

/** Engines of the recording. */
export const engine = {
  ...defaultEngineOptions,
  prefillTokensPerSecond: 5_000,
  stepBaseMs: 20,
  decodeMsPerSequence: 0.5,
};
const endpoints = ["default/e0", "default/e1"].map((endpoint) => ({
  endpoint,
  blockTokens: 16,
  kvBlocks: 25_000,
  // As a picker that has seen little.
  prefillTokensPerSecond: 3_000,
}));

/** Requests that share 40 beginnings of 2,048 tokens, and go to two engines in turns. */
function arrivals(count: number): readonly RequestLine[] {
  const random = seededRandom(3);
  let atMs = 0;
  return Array.from({ length: count }, (_, index) => {
    atMs += -Math.log(1 - random()) * 400;
    const beginning = Math.floor(random() * 40);
    const names = Array.from({ length: 40 }, (__, block) =>
      block < 32 ? `b${beginning}-${block}` : `r${index}-${block}`,
    );
    return {
      atMs: Math.round(atMs),
      api: "chat",
      stream: true,
      tenant: index % 3 === 0 ? "tenant-a" : "tenant-b",
      promptTokens: 40 * 64,
      blockTokens: 64,
      blocks: [names.map((name) => name.padEnd(8, ".")).join("")],
      endpoint: endpoints[index % 2]?.endpoint,
      decidedMs: 1,
      outputTokens: 50 + Math.floor(random() * 50),
      endedMs: 0,
      end: "complete",
    };
  });
}

/** The recording of engines that run exactly as a model with these options. */
export function aRecording(count = 240): Recording {
  const lines = arrivals(count);
  const { conversations } = planOfRecording(lines, { blockTokens: 16, waits: false });
  const placed = conversations.map((conversation) => {
    return { conversation, slot: conversation.number % 2, delayMs: 1 };
  });
  const { sent } = runPlaced(placed, [engine, engine]);
  const outcomeOf = (line: RequestLine, index: number): RequestLine => {
    const { firstTokenMs = 0, endedMs = 0, cachedTokens = 0 } = sent[index] ?? {};
    const after = (ms: number) => Math.round((ms - line.atMs + 6) * 10) / 10;
    return {
      ...line,
      status: 200,
      firstTokenMs: after(firstTokenMs),
      lastMs: after(endedMs),
      endedMs: after(endedMs),
      usagePromptTokens: line.promptTokens,
      cachedTokens,
    };
  };
  const requests = lines.map((line, index) => outcomeOf(line, index));
  const document = defaultConfigText;
  return { startedAt: "", requests, endpoints, document, documents: 1, unreadable: 0 };
}
