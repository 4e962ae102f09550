import { defaultConfigText } from "../../src/config/default-document.ts";
import type { Conversation, Plan, PlannedTurn } from "../../src/replay/lab/conversation.ts";
import { PromptTree } from "../../src/replay/lab/prompt-tree.ts";
import type { RunRecord, SentRequest } from "../../src/replay/lab/run-record.ts";
import { runOnce } from "../../src/replay/lab/run.ts";
import { defaultSetup } from "../../src/replay/lab/setup.ts";
import type { Recording } from "../../src/replay/recording.ts";
import { seededRandom } from "../../src/std/random.ts";
import type { EndpointLine, RequestLine } from "../../src/telemetry/recording/lines.ts";
import { engine } from "./recordings.ts";

/** Conversations of `recordedConversations`, and its engines. */
export const conversations = 12;
const blockTokens = 64;
export const blockEngine = { ...engine, blockTokens };

/**
 * The recording of conversations of one to five turns, with two engines and the default document. Turns end with blocks, so
 * that a recording has all that they share.
 */
export async function recordedConversations(seed: number): Promise<Recording> {
  const random = seededRandom(seed);
  const root = new PromptTree(blockTokens).root().child({ key: 0, tokens: 5 * blockTokens });
  let keys = 1;
  const plan: Plan = {
    conversations: Array.from({ length: conversations }, (_, number): Conversation => {
      let prompt = root;
      const turns = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
        prompt = prompt.child({ key: keys, tokens: blockTokens * (1 + Math.floor(random() * 15)) });
        keys += 1;
        const outputTokens = blockTokens;
        const answered = prompt.child({ key: 0, tokens: outputTokens });
        const turn = { prompt, answered, outputTokens, thinkMs: Math.floor(random() * 3_000) };
        prompt = answered;
        return turn;
      });
      const atMs = Math.floor(number * 500 * random());
      return {
        number,
        atMs,
        turns,
        adapter: undefined,
        objective: undefined,
        hasSessionKey: false,
      };
    }).toSorted((a, b) => a.atMs - b.atMs),
    adapters: [],
  };
  const setup = { ...defaultSetup, engines: 2, engineOptions: blockEngine, cachesAnswers: false };
  const policy = { name: "", document: defaultConfigText };
  const record = await runOnce({ plan, setup, policy, seed, endMs: 3_600_000 });
  const endpoints = ["e0", "e1"].map((endpoint) => ({ endpoint, blockTokens }));
  return recordingOfRun({ plan, record, document: policy.document, endpoints });
}

interface Ran {
  readonly plan: Plan;
  readonly record: Pick<RunRecord, "sent">;
  readonly document: string;
  readonly endpoints: readonly EndpointLine[];
}

/** What a picker would have recorded of a run of the lab, by requests in the order in which they were sent. */
function recordingOfRun(ran: Ran): Recording {
  const turns = new Map(ran.plan.conversations.map(({ number }) => [number, 0]));
  const byNumber = new Map(ran.plan.conversations.map((one) => [one.number, one]));
  const requests = ran.record.sent.map((sent, index) => {
    const turn = turns.get(sent.conversation) ?? 0;
    turns.set(sent.conversation, turn + 1);
    const planned = byNumber.get(sent.conversation)?.turns[turn];
    if (planned === undefined) throw new Error("a request that was not planned");
    return lineOf(sent, { planned, index, ...ran });
  });
  const { document, endpoints } = ran;
  return { startedAt: "", requests, endpoints, document, documents: 1, unreadable: 0 };
}

function lineOf(
  sent: SentRequest,
  at: Ran & { readonly planned: PlannedTurn; readonly index: number },
): RequestLine {
  const { sentMs, firstTokenMs, endedMs, slot, failure, cachedTokens, outputTokens } = sent;
  const { planned, endpoints, index } = at;
  const { prompt } = planned;
  const names = prompt.blocks().map((block) => `b${block}`);
  if (prompt.tokens % blockTokens > 0) names.push(`r${index}`);
  const isComplete = endedMs !== undefined && failure === undefined;
  return {
    atMs: sentMs,
    stream: true,
    promptTokens: prompt.tokens,
    blockTokens,
    blocks: [names.map((name) => name.padEnd(8, ".")).join("")],
    decidedMs: 0,
    endpoint: slot === undefined ? undefined : endpoints[slot]?.endpoint,
    status: isComplete ? 200 : 503,
    firstTokenMs: firstTokenMs && firstTokenMs - sentMs,
    lastMs: endedMs && endedMs - sentMs,
    endedMs: (endedMs ?? sentMs) - sentMs,
    end: "complete",
    usagePromptTokens: prompt.tokens,
    cachedTokens,
    outputTokens,
  };
}
