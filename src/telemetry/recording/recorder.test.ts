import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  aContext,
  aDecision,
  aHead,
  aLoad,
  anEndpoint,
  aRecord,
  aRequest,
} from "#test/support/builders.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { PrefixMatch, PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import { nextTurn } from "../../std/next-turn.ts";
import { Recorder, type RecordedState } from "./recorder.ts";

const document = { hash: "abc", text: "kind: EndpointPickerConfig" };

/** A file in memory, which a test can make fail. */
class MemoryFile {
  text = "";
  isNew = true;
  failure: Error | undefined;
  isClosed = false;

  write(...pieces: readonly Uint8Array[]): Promise<number> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const bytes = Buffer.concat(pieces);
    this.text += bytes.toString();
    this.isNew = false;
    return Promise.resolve(bytes.length);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  lines(): readonly Record<string, unknown>[] {
    // Each is an object, as the first test of this file shows.
    return this.text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  requests(): readonly Record<string, unknown>[] {
    return this.lines().filter((line) => "end" in line);
  }
}

async function aRecorder(state: Partial<RecordedState> = {}) {
  const clock = new FakeClock();
  const file = new MemoryFile();
  const logged: { readonly fields: object; readonly message: string }[] = [];
  const note = (fields: object, message: string) => void logged.push({ fields, message });
  const counts = { written: 0, dropped: 0, bytes: 0 };
  const told = { document, endpoints: [{ endpoint: "default/engine-0" }], ...state };
  const recorder = new Recorder({
    file,
    path: "rec.jsonl",
    version: "1.2.3",
    clock,
    log: { info: note, warn: note },
    metrics: {
      wrote: (requests, bytes) => {
        counts.written += requests;
        counts.bytes += bytes;
      },
      dropped: (requests) => (counts.dropped += requests),
    },
    state: () => told,
  });
  await recorder.open();
  return { recorder, clock, file, logged, counts, told };
}

/** Collects all garbage. */
function collect(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc()");
}

const noBlocks = { totalBlocks: () => 0, matchedBlocks: () => 0 };

/** A match of prompts with these chains, by slot. */
function aMatch(bySlot: readonly PromptBlocks[]): PrefixMatch {
  return {
    ...noBlocks,
    blockTokens: (slot) => bySlot[slot]?.blockTokens ?? 0,
    promptBlocks: (slot) => bySlot[slot],
  };
}

const someBlocks = { blockTokens: 64, totalBlocks: 2, chains: [Uint32Array.of(1, 2, 3, 4)] };

function sendAndEnd(
  recorder: Recorder,
  record: Partial<RequestRecord> = {},
  match: PrefixMatch | undefined = aMatch([someBlocks]),
): void {
  const { request = aRequest() } = record;
  const decision = record.decision ?? aDecision();
  const attempt = recorder.sent({ context: aContext({ request }), decision }, match);
  const ended = aRecord({ ...record, head: request.head, request, decision });
  attempt.ended?.(ended);
  recorder.follower.ended?.(ended);
}

describe("a recorder", () => {
  it("begins with the format, the document and the pool", async () => {
    const { file, logged } = await aRecorder();
    expect(file.lines()).toEqual([
      {
        format: "pointsman-recording",
        version: 1,
        startedAt: "2026-01-01T00:00:00.000Z",
        pointsman: "1.2.3",
      },
      { state: { atMs: 0, document, endpoints: [{ endpoint: "default/engine-0" }] } },
    ]);
    expect(logged.map(({ message }) => message)).toEqual(["recording started"]);
  });

  it("writes the arrival, the decision and the outcome of a request, after a while", async () => {
    const { recorder, clock, file } = await aRecorder();
    const usage = { promptTokens: 130, outputTokens: 9, cachedTokens: 64 };
    sendAndEnd(recorder, { usage, request: aRequest({ promptTokens: 128, isStreaming: true }) });
    expect(file.requests()).toEqual([]);
    await clock.advance(1_000);
    const [line] = file.requests();
    expect(line).toMatchObject({
      atMs: 1_000,
      stream: true,
      promptTokens: 128,
      blockTokens: 64,
      endpoint: aDecision().targets[0].endpoint.id,
      decidedMs: 1,
      firstTokenMs: 100,
      endedMs: 200,
      end: "complete",
      status: 200,
      usagePromptTokens: 130,
      cachedTokens: 64,
      outputTokens: 9,
    });
    expect(line?.["blocks"]).toEqual([expect.stringMatching(/^[\w-]{16}$/)]);
  });

  it("keeps neither a request nor its blocks once it is over", async () => {
    const { recorder, clock, file } = await aRecorder();
    const refs: WeakRef<object>[] = [];
    const end = () => {
      const request = aRequest({ head: aHead() });
      const chain = Uint32Array.from({ length: 200 }, (_, index) => index);
      refs.push(new WeakRef(request), new WeakRef(request.head), new WeakRef(chain));
      const blocks = { blockTokens: 64, totalBlocks: 100, chains: [chain] };
      sendAndEnd(recorder, { request }, aMatch([blocks]));
    };
    end();
    end();
    // References stay whole until the end of a turn.
    await nextTurn();
    collect();
    expect(refs.map((ref) => ref.deref())).toEqual(refs.map(() => undefined));
    await clock.advance(1_000);
    expect(file.requests()).toHaveLength(2);
  });

  it("keeps refused requests and waits", async () => {
    const { recorder, clock, file } = await aRecorder();
    const refusal = { code: "queue_full", message: "full" } as const;
    const refused = { decision: undefined, httpStatus: undefined, firstTokenMs: undefined };
    recorder.follower.ended?.(aRecord({ ...refused, refusal, end: "refused" }));
    const stay = {
      ...{ band: 0, fairnessId: "x", position: 3, waitedMs: 70.26, sentMeanwhile: 1 },
      ...{ heldBy: undefined, outcome: "Dispatched" as const },
    };
    sendAndEnd(recorder, { stay });
    await clock.advance(1_000);
    expect(file.requests()).toMatchObject([
      { refusal: "queue_full", status: 429, end: "refused" },
      { waitedMs: 70.3, end: "complete" },
    ]);
    expect(file.requests()[0]).not.toHaveProperty("endpoint");
  });

  it("never writes a text that a client chose", async () => {
    const secret = fc.stringMatching(/^[g-z]{16,24}$/);
    await fc.assert(
      fc.asyncProperty(secret, fc.nat(6), async (text, place) => {
        const { recorder, clock, file } = await aRecorder();
        const headers = new Map([
          ["x-session-id", place === 0 ? text : ""],
          ["x-llm-d-inference-fairness-id", place === 1 ? text : ""],
          ["x-llm-d-inference-objective", place === 2 ? text : ""],
        ]);
        const head = aHead({ headers, path: place === 3 ? `/${text}` : "/v1/chat/completions" });
        const request = aRequest({
          head,
          model: place === 4 ? text : "m",
          sessionKey: place === 5 ? text : "",
          prompts: [[{ kind: "text", text }]],
        });
        // An engine does not know the model of such a name.
        sendAndEnd(recorder, { request, httpStatus: 404 });
        await clock.advance(1_000);
        expect(file.requests()).toHaveLength(1);
        expect(file.text).not.toContain(text);
      }),
      { numRuns: 40 },
    );
  });

  it("writes the name of a model once an engine has answered for it", async () => {
    const { recorder, clock, file } = await aRecorder();
    const request = aRequest({ model: "llama", targetModel: "llama" });
    sendAndEnd(recorder, { request, httpStatus: 404 });
    sendAndEnd(recorder, { request: { ...request, head: aHead() } });
    sendAndEnd(recorder, { request: { ...request, head: aHead() }, httpStatus: 500 });
    await clock.advance(1_000);
    const models = file.requests().map(({ model }) => model);
    expect(models.slice(1)).toEqual(["llama", "llama"]);
    expect(models[0]).toMatch(/^[\w-]{12}$/);
  });

  it("keeps the blocks of a request that fails at one endpoint and then is refused", async () => {
    const { recorder, clock, file } = await aRecorder();
    const request = aRequest();
    const decision = aDecision();
    const attempt = recorder.sent(
      { context: aContext({ request }), decision },
      aMatch([someBlocks]),
    );
    const failed = aRecord({ head: request.head, request, decision, end: "aborted" });
    attempt.ended?.(failed);
    // Others end meanwhile.
    sendAndEnd(recorder, { request: aRequest({ head: aHead() }) }, aMatch([]));
    const refusal = { code: "queue_full", message: "full" } as const;
    recorder.follower.ended?.({ ...failed, refusal, end: "refused" });
    await clock.advance(1_000);
    const lines = file.requests().map(({ end, blocks }) => ({ end, blocks }));
    expect(lines).toEqual([
      { end: "complete", blocks: undefined },
      { end: "refused", blocks: [expect.stringMatching(/^[\w-]{16}$/)] },
    ]);
  });

  it("takes the facts of the attempt that served", async () => {
    const { recorder, clock, file } = await aRecorder();
    const request = aRequest();
    const decision = aDecision();
    const sent = { context: aContext({ request }), decision };
    const small = { blockTokens: 64, totalBlocks: 1, chains: [Uint32Array.of(7, 8)] };
    const attempts = [small, someBlocks].map((blocks) => recorder.sent(sent, aMatch([blocks])));
    const record = aRecord({ head: request.head, request, decision });
    for (const attempt of attempts) attempt.ended?.(record);
    recorder.follower.ended?.(record);
    await clock.advance(1_000);
    expect(file.requests()).toMatchObject([{ blocks: [expect.stringMatching(/^[\w-]{16}$/)] }]);
  });

  it("takes blocks of the smallest size in the pool, wherever a request goes", async () => {
    const { recorder, clock, file } = await aRecorder();
    const endpoints = [anEndpoint({ slot: 0 }), anEndpoint({ slot: 1 })];
    const large = { blockTokens: 128, totalBlocks: 1, chains: [Uint32Array.of(7, 8)] };
    for (const endpoint of endpoints) {
      const request = aRequest({ head: aHead() });
      const decision = aDecision({ endpoints: [endpoint] });
      const context = aContext({ request, endpoints, load: aLoad([{}, {}]) });
      const ended = aRecord({ head: request.head, request, decision });
      recorder.sent({ context, decision }, aMatch([large, someBlocks])).ended?.(ended);
      recorder.follower.ended?.(ended);
    }
    await clock.advance(1_000);
    const [first, second] = file.requests();
    expect([first?.["blockTokens"], second?.["blockTokens"]]).toEqual([64, 64]);
    expect(first?.["blocks"]).toEqual(second?.["blocks"]);
  });

  it("drops and counts requests while the file cannot be written, and goes on later", async () => {
    const { recorder, clock, file, logged, counts } = await aRecorder();
    file.failure = new Error("ENOSPC: no space left on device");
    for (let second = 0; second < 9; second += 1) {
      sendAndEnd(recorder, { request: aRequest({ head: aHead() }) });
      await clock.advance(1_000);
    }
    expect(counts).toMatchObject({ written: 0, dropped: 9 });
    expect(logged.map(({ message }) => message)).toEqual(["recording started", "recording failed"]);
    file.failure = undefined;
    await clock.advance(10_000);
    sendAndEnd(recorder, { request: aRequest({ head: aHead() }) });
    await clock.advance(1_000);
    expect(counts).toMatchObject({ written: 1, dropped: 9 });
    expect(logged.at(-1)).toMatchObject({ fields: { dropped: 9 }, message: "recording resumed" });
  });

  it("writes many lines at once, and few of them after a second", async () => {
    const { recorder, clock, file } = await aRecorder();
    sendAndEnd(recorder);
    await clock.advance(999);
    expect(file.requests()).toEqual([]);
    await clock.advance(1);
    expect(file.requests()).toHaveLength(1);
    const chains = [Uint32Array.from({ length: 2 * 65_536 }, (_, index) => index)];
    const long = aMatch([{ blockTokens: 64, totalBlocks: 65_536, chains }]);
    sendAndEnd(recorder, { request: aRequest({ head: aHead() }) }, long);
    await clock.advance(0);
    await expect.poll(() => file.requests()).toHaveLength(2);
    sendAndEnd(recorder);
    await clock.advance(999);
    expect(file.requests()).toHaveLength(2);
  });

  it("keeps a bounded number of bytes for a file that hangs", async () => {
    const { recorder, file, clock, counts } = await aRecorder();
    let finish: (() => void) | undefined;
    const write = file.write.bind(file);
    file.write = async (...pieces) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return write(...pieces);
    };
    sendAndEnd(recorder);
    await clock.advance(1_000);
    // Lines of half a megabyte, and some small ones.
    const chains = [Uint32Array.from({ length: 2 * 65_536 }, (_, index) => index)];
    const long = aMatch([{ blockTokens: 64, totalBlocks: 65_536, chains }]);
    for (let index = 0; index < 20; index += 1) {
      sendAndEnd(recorder, { request: aRequest({ head: aHead() }) }, long);
      await clock.advance(1_000);
    }
    expect(counts.dropped).toBe(20 - 7);
    sendAndEnd(recorder, { request: aRequest({ head: aHead() }) });
    expect(counts.dropped).toBe(20 - 7);
    file.write = write;
    finish?.();
    await recorder.close();
    expect(counts.written).toBe(1 + 7 + 1);
    const blocks = file.requests().map((line) => String(line["blocks"]).length);
    expect(blocks).toEqual([16, ...Array.from({ length: 7 }, () => 65_536 * 8), 16]);
  });

  it("writes what is left and the last state at its end, and takes nothing after it", async () => {
    const { recorder, clock, file, logged } = await aRecorder();
    sendAndEnd(recorder);
    await recorder.close();
    sendAndEnd(recorder);
    await clock.advance(1_000);
    expect(file.requests()).toHaveLength(1);
    expect(file.lines().filter((line) => "state" in line)).toHaveLength(2);
    expect(file.isClosed).toBe(true);
    expect(clock.pendingTimers).toBe(0);
    expect(logged.at(-1)?.message).toBe("recording ended");
  });

  it("writes the pool again when it changes, and the text of a document once for each file", async () => {
    const { recorder, clock, file, told } = await aRecorder();
    told.endpoints = [{ endpoint: "default/engine-0" }, { endpoint: "default/engine-1" }];
    sendAndEnd(recorder);
    await clock.advance(1_000);
    await clock.advance(60_000);
    const states = () => file.lines().flatMap(({ state }) => (state as RecordedState) ?? []);
    expect(states().map(({ endpoints }) => endpoints.length)).toEqual([1, 2, 2]);
    expect(states().map(({ document: { text } }) => text)).toEqual([
      document.text,
      undefined,
      undefined,
    ]);
    file.isNew = true;
    await clock.advance(1_000);
    expect(states().at(-1)?.document).toEqual(document);
    await recorder.close();
  });
});
