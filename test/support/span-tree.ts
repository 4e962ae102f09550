import type { ReceivedSpan } from "./otlp-receiver.ts";

/** The names of spans below each other: `a > b` for each span that has another above it. */
export function edgesOf(spans: readonly ReceivedSpan[]): readonly string[] {
  const names = new Map(spans.map(({ id, name }) => [id, name]));
  return spans
    .map(
      ({ name, parentId }) => `${names.get(parentId) ?? (parentId === "" ? "-" : "?")} > ${name}`,
    )
    .toSorted();
}

/** The only span of this name. */
export function spanNamed(spans: readonly ReceivedSpan[], name: string): ReceivedSpan {
  const found = spans.filter((span) => span.name === name);
  const [only] = found;
  if (only === undefined || found.length > 1) {
    throw new Error(
      `${found.length} spans named ${name} of ${spans.map((span) => span.name).join(", ")}`,
    );
  }
  return only;
}

/** The reasons that the spans of one trace do not fit together; empty if they do. */
export function mistakesIn(spans: readonly ReceivedSpan[]): readonly string[] {
  const byId = new Map(spans.map((span) => [span.id, span]));
  return spans.flatMap((span) => {
    const above = byId.get(span.parentId);
    // The clock of events has microseconds, and the wall clock is read once for each trace.
    const slackNs = 1_000n;
    return [
      ...(span.end < span.start ? [`${span.name} ends before it starts`] : []),
      ...(above !== undefined && span.start + slackNs < above.start
        ? [`${span.name} starts before ${above.name}`]
        : []),
      ...(span.traceId === spans[0]?.traceId ? [] : [`${span.name} is of another trace`]),
      ...(byId.size === spans.length ? [] : ["an id is used twice"]),
    ];
  });
}
