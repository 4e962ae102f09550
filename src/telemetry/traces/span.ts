import type { Attributes } from "../../core/request-trace.ts";

export type SpanKind = "internal" | "server" | "client";

/** Something that happened within a span, at monotonic milliseconds. */
export interface SpanEvent {
  readonly name: string;
  readonly atMs: number;
}

/** One span; times are monotonic milliseconds. */
export interface Span {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** The span above it, of the same trace; undefined for the first span of a trace. */
  readonly parentId: string | undefined;
  /** True if another process began the span above it. */
  readonly hasRemoteParent: boolean;
  readonly name: string;
  readonly kind: SpanKind;
  readonly startedMs: number;
  /** NaN while it is open. */
  endedMs: number;
  attributes: Attributes;
  readonly events: SpanEvent[];
  /** Code of its error; undefined if there was none. */
  error: string | undefined;
}

/** Spans of one request, complete. */
export interface SpanGroup {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** The client's `tracestate`; "" if it sent none. */
  readonly traceState: string;
  /** Unix time at monotonic 0, in milliseconds. */
  readonly originMs: number;
  readonly spans: readonly Span[];
}

/** Where the spans of a request go once it is over. Never throws and never waits. */
export interface SpanSink {
  add(group: SpanGroup): void;
  /** Sends what is left, within a limit. */
  close(): Promise<void>;
}
