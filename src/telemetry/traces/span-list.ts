import type { RandomHex } from "../../std/random-hex.ts";
import type { Span, SpanKind } from "./span.ts";

/** Spans of one request; those beyond are counted and not kept. */
export const spansMax = 256;

const spanBytes = 8;

export interface SpanStart {
  readonly name: string;
  readonly kind?: SpanKind;
  /** The span above it. */
  readonly parentId: string | undefined;
  readonly hasRemoteParent?: boolean;
  readonly startedMs: number;
}

/** The spans of one request. */
export class SpanList {
  readonly spans: Span[] = [];
  /** Spans for which there was no room. */
  leftOut = 0;
  readonly #random: RandomHex;

  constructor(random: RandomHex) {
    this.#random = random;
  }

  /** Makes a span that is not in the list yet. */
  make(start: SpanStart): Span {
    const { name, kind = "internal", parentId, hasRemoteParent = false, startedMs } = start;
    const id = this.#random.next(spanBytes);
    const isOpen = { endedMs: Number.NaN, attributes: {}, events: [], error: undefined };
    return { id, parentId, hasRemoteParent, name, kind, startedMs, ...isOpen };
  }

  add(span: Span): Span {
    if (this.spans.length < spansMax) this.spans.push(span);
    else this.leftOut += 1;
    return span;
  }

  open(start: SpanStart): Span {
    return this.add(this.make(start));
  }
}

/** Ends a span, if it is open, and adds attributes to it. */
export function endSpan(span: Span, endedMs: number, attributes?: Span["attributes"]): void {
  if (Number.isNaN(span.endedMs)) span.endedMs = endedMs;
  if (attributes !== undefined) span.attributes = { ...span.attributes, ...attributes };
}
