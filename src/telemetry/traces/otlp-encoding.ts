import type { AttributeValue, Attributes } from "../../core/request-trace.ts";
import { BackwardWriter } from "../../std/backward-writer.ts";
import type { Span, SpanEvent, SpanGroup, SpanKind } from "./span.ts";

const bytesTag = (field: number) => (field << 3) | 2;
const varintTag = (field: number) => field << 3;
const fixed64Tag = (field: number) => (field << 3) | 1;
const fixed32Tag = (field: number) => (field << 3) | 5;

/** Tags of the fields that are written, by message of `opentelemetry.proto.collector.trace.v1` and `trace.v1`. */
const tags = {
  /** `ExportTraceServiceRequest`, `ResourceSpans`, `ScopeSpans` */
  resourceSpans: bytesTag(1),
  resource: bytesTag(1),
  scopeSpans: bytesTag(2),
  scope: bytesTag(1),
  spans: bytesTag(2),
  schemaUrl: bytesTag(3),
  /** `Resource`, `InstrumentationScope` */
  resourceAttributes: bytesTag(1),
  scopeName: bytesTag(1),
  scopeVersion: bytesTag(2),
  /** `Span` */
  traceId: bytesTag(1),
  spanId: bytesTag(2),
  traceState: bytesTag(3),
  parentSpanId: bytesTag(4),
  name: bytesTag(5),
  kind: varintTag(6),
  start: fixed64Tag(7),
  end: fixed64Tag(8),
  attributes: bytesTag(9),
  events: bytesTag(11),
  status: bytesTag(15),
  flags: fixed32Tag(16),
  /** `Span.Event`, `Status` */
  eventTime: fixed64Tag(1),
  eventName: bytesTag(2),
  statusMessage: bytesTag(2),
  statusCode: varintTag(3),
  /** `KeyValue`, `AnyValue`, `ArrayValue` */
  key: bytesTag(1),
  value: bytesTag(2),
  stringValue: bytesTag(1),
  boolValue: varintTag(2),
  intValue: varintTag(3),
  doubleValue: fixed64Tag(4),
  arrayValue: bytesTag(5),
  arrayValues: bytesTag(1),
} as const;

const kinds: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };
const errorStatus = 2;

/** The span is sampled; it is known where the span above it began, and that it was in another process. */
const sampledFlag = 0x01;
const originKnownFlag = 0x100;
const remoteParentFlag = 0x200;

/** The conventions that attribute names follow. */
const schemaUrl = "https://opentelemetry.io/schemas/1.37.0";

/** The process that sends a batch. */
export interface BatchSource {
  readonly resource: Readonly<Record<string, string>>;
  readonly scope: { readonly name: string; readonly version: string };
}

/** Writes batches of spans as `ExportTraceServiceRequest`. */
export class OtlpEncoder {
  readonly #writer = new BackwardWriter();
  readonly #source: BatchSource;

  constructor(source: BatchSource) {
    this.#source = source;
  }

  encode(groups: readonly SpanGroup[]): Buffer {
    const writer = this.#writer;
    writer.begin();
    const { resource, scope } = this.#source;
    writer.text(tags.schemaUrl, schemaUrl);
    const scopeSpansBefore = writer.length;
    for (const group of groups) for (const span of group.spans) this.#span(span, group);
    const scopeBefore = writer.length;
    writer.text(tags.scopeVersion, scope.version);
    writer.text(tags.scopeName, scope.name);
    writer.close(tags.scope, scopeBefore);
    writer.close(tags.scopeSpans, scopeSpansBefore);
    const resourceBefore = writer.length;
    this.#attributes(tags.resourceAttributes, resource);
    writer.close(tags.resource, resourceBefore);
    writer.close(tags.resourceSpans, 0);
    return Buffer.from(writer.bytes.subarray(writer.start));
  }

  #span(span: Span, { traceId, traceState, originMs }: SpanGroup): void {
    const writer = this.#writer;
    const before = writer.length;
    const remote = span.hasRemoteParent ? remoteParentFlag : 0;
    writer.fixed32(tags.flags, sampledFlag | originKnownFlag | remote);
    if (span.error !== undefined) this.#status(span.error);
    for (const event of span.events.toReversed()) this.#event(event, originMs);
    this.#attributes(tags.attributes, span.attributes);
    writer.fixed64(tags.end, nanosecondsOf(originMs + span.endedMs));
    writer.fixed64(tags.start, nanosecondsOf(originMs + span.startedMs));
    writer.varint(kinds[span.kind]);
    writer.byte(tags.kind);
    writer.text(tags.name, span.name);
    if (span.parentId !== undefined) writer.hex(tags.parentSpanId, span.parentId);
    if (traceState !== "") writer.text(tags.traceState, traceState);
    writer.hex(tags.spanId, span.id);
    writer.hex(tags.traceId, traceId);
    writer.close(tags.spans, before);
  }

  #status(message: string): void {
    const writer = this.#writer;
    const before = writer.length;
    writer.varint(errorStatus);
    writer.byte(tags.statusCode);
    writer.text(tags.statusMessage, message);
    writer.close(tags.status, before);
  }

  #event({ name, atMs }: SpanEvent, originMs: number): void {
    const writer = this.#writer;
    const before = writer.length;
    writer.text(tags.eventName, name);
    writer.fixed64(tags.eventTime, nanosecondsOf(originMs + atMs));
    writer.close(tags.events, before);
  }

  #attributes(tag: number, attributes: Attributes): void {
    const writer = this.#writer;
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined) continue;
      const before = writer.length;
      this.#value(tags.value, value);
      writer.text(tags.key, key);
      writer.close(tag, before);
    }
  }

  #value(tag: number, value: AttributeValue): void {
    const writer = this.#writer;
    const before = writer.length;
    if (typeof value === "string") writer.text(tags.stringValue, value);
    else if (typeof value === "boolean") {
      writer.byte(value ? 1 : 0);
      writer.byte(tags.boolValue);
    } else if (typeof value === "number") this.#number(value);
    else {
      const listBefore = writer.length;
      for (const each of value.toReversed()) this.#value(tags.arrayValues, each);
      writer.close(tags.arrayValue, listBefore);
    }
    writer.close(tag, before);
  }

  #number(value: number): void {
    const writer = this.#writer;
    if (!Number.isSafeInteger(value)) return writer.double(tags.doubleValue, value);
    if (value >= 0) writer.varint(value);
    else for (const byte of negativeBytes(value).toReversed()) writer.byte(byte);
    writer.byte(tags.intValue);
  }
}

/** A negative number as protobuf writes it: the ten bytes of its two's complement, 7 bits in each. */
function negativeBytes(value: number): readonly number[] {
  const bits = BigInt.asUintN(64, BigInt(value));
  return Array.from({ length: 10 }, (_, index) => {
    const low = Number((bits >> BigInt(7 * index)) & 0x7fn);
    return index < 9 ? low | 0x80 : low;
  });
}

function nanosecondsOf(unixMs: number): bigint {
  const wholeMs = Math.floor(unixMs);
  return BigInt(wholeMs) * 1_000_000n + BigInt(Math.round((unixMs - wholeMs) * 1_000_000));
}
