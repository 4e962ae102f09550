import type { TokenUsage } from "../../core/usage.ts";
import { type BodyHeaders, bodyKindOf } from "./body-kind.ts";
import { JsonUsageReader } from "./json-usage-reader.ts";
import { SseUsageReader } from "./sse-usage-reader.ts";

/** Reads along while a response body passes, and never delays, changes or fails it. */
export interface UsageReader {
  /** The next bytes of the body, cut anywhere. They may be reused after the call. */
  push(chunk: Uint8Array): void;
  /** The body is over, whole or not. */
  end(): void;
  /** What the engine has reported so far; undefined where it reported nothing to trust. */
  readonly usage: TokenUsage | undefined;
  /** Server-sent events with content so far, `[DONE]` not among them; 0 for other bodies. */
  readonly events: number;
  /** Bytes of memory held between chunks. */
  readonly carriedBytes: number;
}

export interface UsageReaderOptions extends BodyHeaders {
  /** A longer event is counted and not read. */
  readonly eventBytesMax?: number;
  /** A longer `usage` in a JSON body is not read. */
  readonly usageBytesMax?: number;
}

/** Far above a token event, and above a last Responses event that repeats a long output. */
const EVENT_BYTES_MAX = 1_024 * 1_024;

/** A usage with every known detail has under 1 KiB. */
const USAGE_BYTES_MAX = 64 * 1_024;

/** For a body that tells nothing: holds no state, so that all such responses share it. */
const SILENT_READER: UsageReader = {
  push: () => {},
  end: () => {},
  usage: undefined,
  events: 0,
  carriedBytes: 0,
};

/** A reader for the body that the response headers announce. */
export function createUsageReader({
  eventBytesMax = EVENT_BYTES_MAX,
  usageBytesMax = USAGE_BYTES_MAX,
  ...headers
}: UsageReaderOptions): UsageReader {
  switch (bodyKindOf(headers)) {
    case "events":
      return new SseUsageReader(eventBytesMax);
    case "json":
      return new JsonUsageReader(usageBytesMax);
    case "unread":
      return SILENT_READER;
  }
}
