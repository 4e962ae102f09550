import fc from "fast-check";
import { expect, it } from "vitest";
import { type DocumentName, WorkedPicker } from "#test/support/worked-picker.ts";

const index = fc.nat({ max: 3 });
const which = fc.nat({ max: 30 });
const name = fc.constantFrom<DocumentName>("default", "named", "disaggregated", "ranks", "without");
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      words: fc.constantFrom(0, 3, 400),
      isStreaming: fc.boolean(),
      model: fc.constantFrom("base", "sql"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("head" as const),
      which,
      httpStatus: fc.constantFrom(200, 200, 200, 400, 429, 503),
      type: fc.constantFrom("text/event-stream", "text/event-stream", "application/json"),
      server: fc.option(index, { nil: undefined }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("body" as const),
      which,
      chunk: fc.constantFrom("token", "token", "role", "comment", "error", "end", "json"),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which,
      end: fc.constantFrom("complete", "aborted"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("replace", "shrink"), index }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      ms: fc.constantFrom(0, 1, 40, 3_000),
    }),
  },
);

const events = fc.array(event, { minLength: 10, maxLength: 60, size: "max" });

type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

function run(picker: WorkedPicker, step: Event): void {
  switch (step.kind) {
    case "send":
      picker.send(step);
      return;
    case "replace":
      picker.replace(step.index);
      return;
    case "shrink":
      picker.shrink(step.index);
      return;
    case "wait":
      picker.wait(step.ms);
      return;
    case "head":
    case "body":
    case "end":
      follow(picker, step);
  }
}

function follow(picker: WorkedPicker, step: Extract<Event, { kind: "head" | "body" | "end" }>) {
  const open = picker.requests.filter(({ isOver }) => !isOver);
  const sent = open[step.which % Math.max(1, open.length)];
  if (sent === undefined) return;
  if (step.kind === "head") picker.answer(sent, step.httpStatus, step);
  else if (step.kind === "body") picker.body(sent, step.chunk);
  else picker.end(sent, step.end);
}

const noneLeft = { queued: 0, tokens: 0, refusals: 0, decoding: 0, adapters: 0 };

function expectCounts(picker: WorkedPicker): void {
  for (const { counted, least, most } of picker.decoding()) {
    expect(counted).toBeGreaterThanOrEqual(least);
    expect(counted).toBeLessThanOrEqual(most);
  }
}

/** A run takes seconds, and much more while other suites have the cores. */
const busyMs = 120_000;

it(
  "counts a request where it decodes, at the latest from its first token, and nothing after its end",
  () => {
    // One for all runs, because an empty index of prefixes takes long to build: nothing may be left of any run.
    const picker = new WorkedPicker("default");
    fc.assert(
      // A reload keeps the memory if the documents have the same plugins.
      fc.property(fc.array(fc.tuple(name, events), { minLength: 2, maxLength: 2 }), (parts) => {
        for (const [document, steps] of parts) {
          picker.reload(document);
          for (const step of steps) {
            run(picker, step);
            expectCounts(picker);
          }
        }
        picker.endAll();
        expect(picker.left()).toEqual(noneLeft);
        expect(picker.numbers().filter((number) => !(number > 0 && number < 1e6))).toEqual([]);
      }),
      { numRuns: 12, endOnFailure: true },
    );
  },
  busyMs,
);
