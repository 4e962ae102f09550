import { createReadStream, existsSync } from "node:fs";
import { createInterface } from "node:readline";
import {
  blockCharacters,
  type EndpointLine,
  type HeaderLine,
  recordingFormat,
  recordingVersion,
  type RequestLine,
  type StateLine,
} from "../telemetry/recording/lines.ts";

/** Requests of one replay. */
const requestsMax = 500_000;

/** A recording, as far as a replay needs it. */
export interface Recording {
  readonly startedAt: string;
  /** In the order of arrival. */
  readonly requests: readonly RequestLine[];
  /** As they were last. */
  readonly endpoints: readonly EndpointLine[];
  /** The text of the document that was in force last. */
  readonly document: string;
  /** Documents that were in force. */
  readonly documents: number;
  /** Lines that could not be read, such as one that was cut off. */
  readonly unreadable: number;
}

/**
 * Reads a recording: the file, and `file.1`, `file.2` and so on as long as they belong to the same recording. Rejects
 * with one readable line.
 */
export async function readRecording(file: string): Promise<Recording> {
  const reader = new RecordingReader(file);
  for (let index = 0, name = file; ; index += 1, name = `${file}.${index}`) {
    if (index > 0 && !existsSync(name)) break;
    if (!(await reader.read(name))) break;
  }
  return reader.recording();
}

class RecordingReader {
  readonly #name: string;
  #header: HeaderLine | undefined;
  readonly #requests: RequestLine[] = [];
  readonly #texts = new Map<string, string>();
  #last: StateLine["state"] | undefined;
  #unreadable = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Returns false, with nothing read, if the file belongs to another recording. */
  async read(file: string): Promise<boolean> {
    const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
    let isFirst = true;
    try {
      for await (const line of lines) {
        if (isFirst && !this.#begins(file, line)) return false;
        if (!isFirst && line !== "") this.#add(objectOf(line));
        isFirst = false;
      }
    } finally {
      lines.close();
    }
    if (isFirst) throw new Error(`${file}: is empty`);
    return true;
  }

  recording(): Recording {
    const name = this.#name;
    const document = this.#last && this.#texts.get(this.#last.document.hash);
    if (this.#header === undefined || this.#last === undefined || document === undefined) {
      throw new Error(`${name}: has no line with the pool and the document`);
    }
    const { endpoints } = this.#last;
    if (endpoints.length === 0) throw new Error(`${name}: the pool was empty`);
    if (this.#requests.length === 0) throw new Error(`${name}: has no requests`);
    return {
      startedAt: this.#header.startedAt,
      requests: this.#requests.toSorted((a, b) => a.atMs - b.atMs),
      endpoints,
      document,
      documents: this.#texts.size,
      unreadable: this.#unreadable,
    };
  }

  #begins(file: string, line: string): boolean {
    const header = headerOf(objectOf(line));
    if (header === undefined) {
      if (this.#header !== undefined) return false;
      throw new Error(`${file}: is no recording of pointsman`);
    }
    if (header.version > recordingVersion) {
      throw new Error(`${file}: version ${header.version}; this program reads ${recordingVersion}`);
    }
    if (this.#header !== undefined && header.startedAt !== this.#header.startedAt) return false;
    this.#header = header;
    return true;
  }

  #add(line: Readonly<Record<string, unknown>> | undefined): void {
    const state = stateOf(line?.["state"]);
    if (state !== undefined) return this.#addState(state);
    if (!isRequest(line)) {
      this.#unreadable += 1;
      return;
    }
    if (this.#requests.length >= requestsMax) {
      throw new Error(`${this.#name}: has more than ${requestsMax} requests`);
    }
    this.#requests.push(line);
  }

  #addState(state: StateLine["state"]): void {
    const { hash, text } = state.document;
    if (text !== undefined) this.#texts.set(hash, text);
    // Rotated files are read from the newest to the oldest one.
    if (this.#last === undefined || state.atMs >= this.#last.atMs) this.#last = state;
  }
}

function objectOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function headerOf(line: Readonly<Record<string, unknown>> | undefined): HeaderLine | undefined {
  if (line?.["format"] !== recordingFormat) return undefined;
  const { version, startedAt, pointsman } = line;
  if (typeof version !== "number" || typeof startedAt !== "string") return undefined;
  return { format: recordingFormat, version, startedAt, pointsman: String(pointsman) };
}

function stateOf(value: unknown): StateLine["state"] | undefined {
  if (!isRecord(value)) return undefined;
  const { atMs, document, endpoints } = value;
  if (typeof atMs !== "number" || !isRecord(document) || !Array.isArray(endpoints))
    return undefined;
  const { hash, text } = document;
  if (typeof hash !== "string" || (text !== undefined && typeof text !== "string")) {
    return undefined;
  }
  return endpoints.every(isEndpoint) ? { atMs, document: { hash, text }, endpoints } : undefined;
}

function isEndpoint(value: unknown): value is EndpointLine {
  return (
    isRecord(value) &&
    typeof value["endpoint"] === "string" &&
    isNumberOrNone(value["blockTokens"]) &&
    isNumberOrNone(value["kvBlocks"]) &&
    isNumberOrNone(value["adaptersMax"]) &&
    isNumberOrNone(value["prefillTokensPerSecond"])
  );
}

/** Members of a request that a replay reads, by their types. */
const numbers =
  "priority sloTtftMs sloTpotMs promptTokens outputTokensMax blockTokens decidedMs waitedMs status firstTokenMs lastMs usagePromptTokens cachedTokens outputTokens chunks bodyBytes".split(
    " ",
  );
const texts = ["api", "model", "targetModel", "tenant", "session", "objective", "endpoint"];

function isRequest(line: unknown): line is RequestLine {
  if (!isRecord(line)) return false;
  const { atMs, endedMs, end, blocks, blockTokens } = line;
  if (!isNumber(atMs) || !isNumber(endedMs) || typeof end !== "string") return false;
  if (!numbers.every((name) => isNumberOrNone(line[name]))) return false;
  if (!texts.every((name) => line[name] === undefined || typeof line[name] === "string")) {
    return false;
  }
  if (blocks === undefined) return true;
  return (
    Array.isArray(blocks) && blocks.every(isChain) && isNumber(blockTokens) && blockTokens >= 1
  );
}

function isChain(value: unknown): value is string {
  return typeof value === "string" && value.length % blockCharacters === 0;
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isNumberOrNone(value: unknown): boolean {
  return value === undefined || (isNumber(value) && value >= -1_000_000_000);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
