import type { SpanGroup, SpanSink } from "./span.ts";

/** Writes each span as a line of the log. */
export function consoleSink(log: { info(fields: object, message: string): void }): SpanSink {
  return {
    add: (group) => {
      for (const fields of fieldsOf(group)) log.info(fields, "span ended");
    },
    close: () => Promise.resolve(),
  };
}

function* fieldsOf({ traceId, originMs, spans }: SpanGroup): Iterable<object> {
  for (const { id, parentId, name, kind, startedMs, endedMs, attributes, error } of spans) {
    const startedAt = new Date(originMs + startedMs).toISOString();
    const durationMs = Math.round((endedMs - startedMs) * 1_000) / 1_000;
    yield {
      traceId,
      spanId: id,
      parentId,
      span: name,
      kind,
      startedAt,
      durationMs,
      error,
      attributes,
    };
  }
}
