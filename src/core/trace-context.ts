import type { HeaderValues } from "./request.ts";

/** The two headers of W3C Trace Context. */
export const traceHeaders = { parent: "traceparent", state: "tracestate" } as const;

/** The span that a request belongs to, as a `traceparent` names it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

/** Characters of version 00, which later versions begin with. */
const versionZeroLength = 55;

const format =
  /^(?!ff)([\da-f]{2})-((?!0{32})[\da-f]{32})-((?!0{16})[\da-f]{16})-([\da-f]{2})(?:-.*)?$/su;

/**
 * Reads a `traceparent`: version 00, and later versions as far as version 00 defines them. Undefined if it is invalid, so
 * that another trace begins.
 */
export function parseTraceParent(text: string): TraceContext | undefined {
  const [, version, traceId, spanId, flags] = format.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "00" && text.length !== versionZeroLength) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** The `traceparent` of a request; undefined if it has none, or several, or an invalid one. */
export function traceParentIn(headers: HeaderValues): TraceContext | undefined {
  const text = headers.get(traceHeaders.parent);
  if (text === undefined) return undefined;
  const context = parseTraceParent(text);
  return headers.isRepeated?.(traceHeaders.parent) === true ? undefined : context;
}

export function traceParentOf({ traceId, spanId, isSampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}
