import type { Attributes, StageTrace } from "../../core/request-trace.ts";
import type { Clock } from "../../std/clock.ts";
import type { Span } from "./span.ts";
import { endSpan, type SpanList } from "./span-list.ts";

interface DecisionSpansParts {
  readonly list: SpanList;
  readonly clock: Pick<Clock, "nowMs">;
  readonly parentId: string;
}

/** The spans of one decision: the decision itself, and its stages below it. */
export class DecisionSpans implements StageTrace {
  readonly #parts: DecisionSpansParts;
  readonly #spans: Span[] = [];
  /** Spans that have begun and not ended, outermost first. */
  readonly #open: Span[] = [];

  constructor(parts: DecisionSpansParts) {
    this.#parts = parts;
  }

  begin(name: string): void {
    const { list, clock, parentId } = this.#parts;
    const above = this.#open.at(-1)?.id ?? parentId;
    const span = list.make({ name, parentId: above, startedMs: clock.nowMs() });
    this.#spans.push(span);
    this.#open.push(span);
  }

  end(attributes?: Attributes): void {
    const span = this.#open.pop();
    if (span !== undefined) endSpan(span, this.#parts.clock.nowMs(), attributes);
  }

  /** Adds the spans to those of the request. A stage that threw has not ended. */
  keep(): void {
    for (const span of this.#open) {
      endSpan(span, this.#parts.clock.nowMs());
      span.error = "internal";
    }
    for (const span of this.#spans.splice(0)) this.#parts.list.add(span);
  }
}
