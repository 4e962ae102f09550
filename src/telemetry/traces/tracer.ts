import type { RequestHead } from "../../core/request.ts";
import type { RequestTrace, Tracer } from "../../core/request-trace.ts";
import { type TraceContext, traceParentIn } from "../../core/trace-context.ts";
import type { Random } from "../../std/random.ts";
import { RequestSpans, type RequestSpansParts } from "./request-spans.ts";

/** Which requests are traced. */
export interface SamplerSettings {
  /** Share of traces that are sampled, 0 to 1. */
  readonly ratio: number;
  /** True if a request of a trace is sampled as its client's span was, so that `ratio` is for new traces only. */
  readonly followsParent: boolean;
}

const traceBytes = 16;

/** Digits of a trace id that place it between 0 and 1: its last 8 bytes, as far as a number is exact. */
const placeStart = 16;
const placeDigits = 13;

export interface TracerParts extends RequestSpansParts {
  readonly sampler: SamplerSettings;
  /** Draws the requests that are sampled. */
  readonly chance: Random;
}

/** Decides which requests are traced, and makes their spans. */
export class SpanTracer implements Tracer {
  readonly #parts: TracerParts;

  constructor(parts: TracerParts) {
    this.#parts = parts;
  }

  begin(head: RequestHead, startedMs: number): RequestTrace | undefined {
    const parent = traceParentIn(head.headers);
    if (!this.#isSampled(parent)) return undefined;
    const traceId = parent?.traceId ?? this.#parts.random.next(traceBytes);
    return new RequestSpans({ head, startedMs, traceId, parent }, this.#parts);
  }

  #isSampled(parent: TraceContext | undefined): boolean {
    const { chance, sampler } = this.#parts;
    if (parent === undefined) return chance() < sampler.ratio;
    // By its id, so that every service with the same ratio samples the same traces.
    return sampler.followsParent ? parent.isSampled : placeOf(parent.traceId) < sampler.ratio;
  }
}

/** The place of a trace id between 0 and 1, as OpenTelemetry for Go takes it. */
function placeOf(traceId: string): number {
  const digits = traceId.slice(placeStart, placeStart + placeDigits);
  return Number.parseInt(digits, 16) / 16 ** placeDigits;
}
