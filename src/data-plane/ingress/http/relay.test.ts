import { expect, it } from "vitest";
import { EngineHead } from "./answer-headers.ts";
import { Relay } from "./relay.ts";

/** A relay whose client and exchange note what happens, in order. */
function noted(changesLength: boolean) {
  const steps: string[] = [];
  const relay = new Relay({
    client: {
      head: () => void steps.push("head"),
      flushHead: () => void steps.push("flush"),
      write: (chunk) => steps.push(`write ${chunk.length}`) > 0,
      onDrain: () => undefined,
      end: (chunk) => void steps.push(`end ${chunk?.length ?? 0}`),
      breakOff: () => void steps.push("break off"),
    },
    exchange: {
      responseHead: () => ({ set: [], changesLength }),
      responseChunk: ({ length }) => {
        steps.push(`read ${length}`);
        return changesLength ? new Uint8Array(length + 1) : undefined;
      },
      responseRest: () => undefined,
      marker: "none",
      end: (end) => void steps.push(end),
    },
    head: { id: "1", path: "/v1/chat/completions" },
    passage: {
      answerHeaders: () => [],
      answerStalls: () => undefined,
      answerFlows: () => undefined,
    },
    resume: () => undefined,
  });
  const raw = ["content-type", "application/json", "content-length", "5"];
  relay.begin(new EngineHead(200, "OK", raw), "10.0.0.1:8000");
  return { relay, steps };
}

const bytes = (length: number) => new Uint8Array(length);

/** Ends an answer as it does at the end of its poll. */
function endOf(relay: Relay): void {
  expect(relay.ended([])).toBe(true);
  relay.sendEnd();
  relay.settle();
}

it("sends a whole answer in one piece, and reads it after that", async () => {
  const { relay, steps } = noted(false);
  relay.chunk(bytes(5));
  expect(relay.ended([])).toBe(true);
  await Promise.resolve();
  expect(steps).toEqual([]);
  relay.sendEnd();
  expect(steps).toEqual(["head", "end 5"]);
  relay.settle();
  expect(steps).toEqual(["head", "end 5", "read 5", "complete"]);
});

it("sends each piece before it reads it", async () => {
  const { relay, steps } = noted(false);
  relay.chunk(bytes(2));
  await Promise.resolve();
  relay.chunk(bytes(3));
  endOf(relay);
  expect(steps).toEqual(["head", "write 2", "read 2", "write 3", "read 3", "end 0", "complete"]);
});

it("reads what it changes before it sends it", () => {
  const { relay, steps } = noted(true);
  relay.chunk(bytes(5));
  endOf(relay);
  expect(steps).toEqual(["read 5", "head", "end 6", "complete"]);
});

it("reads the first piece of an answer that breaks off at once", () => {
  const { relay, steps } = noted(false);
  relay.chunk(bytes(2));
  relay.broken("broken");
  expect(steps).toEqual(["read 2", "head", "write 2", "break off", "aborted"]);
});
