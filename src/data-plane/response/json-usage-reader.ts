import type { TokenUsage } from "../../core/usage.ts";
import { ByteCarry } from "./byte-carry.ts";
import { UsageTally } from "./usage-tally.ts";

/** Keys with their closing quotes, so that a longer key does not match. */
const USAGE_KEY = Buffer.from('usage"');
/** SGLang's own API tells the counts here, beside much else. */
const META_INFO_KEY = Buffer.from('meta_info"');

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** 1 for each byte that ends a run of plain bytes, inside a string and outside of strings. */
const ENDS_STRING_RUN = tableOf('"\\');
const ENDS_PLAIN_RUN = tableOf('"{}[]:,');

/**
 * Finds the value of the top-level member `usage` or `meta_info` while a JSON body streams by, and
 * keeps nothing else of it. Of an array, which SGLang makes of a batch, each object's `meta_info`
 * counts. Tells strings, escapes and nesting apart, and trusts the engine for the rest: of a
 * body that is not JSON it reads nothing or, at worst, a usage that stands where one would.
 */
export class JsonUsageReader {
  readonly #captureBytesMax: number;
  #depth = 0;
  /** Where the members are: 1, or 2 in an array of objects. */
  #memberDepth = 1;
  #isInString = false;
  #isEscaped = false;
  #isFinished = false;
  /** At the depth of members: the next string is a key. */
  #isKeyNext = false;
  /** The string being read is a key; one byte more than a wanted key tells a longer one apart. */
  #isKey = false;
  readonly #key = new ByteCarry(META_INFO_KEY.byteLength + 1);
  /** Where in the current chunk the bytes to capture begin; undefined outside of the value. */
  #captureStart: number | undefined;
  readonly #captured: ByteCarry;
  #capturesMetaInfo = false;
  /** Objects of an array that have begun. */
  #objects = 0;
  readonly #tally = new UsageTally();

  constructor(captureBytesMax: number) {
    this.#captureBytesMax = captureBytesMax;
    this.#captured = new ByteCarry(captureBytesMax + 1);
  }

  get usage(): TokenUsage | undefined {
    return this.#tally.usage;
  }

  get events(): number {
    return 0;
  }

  get carriedBytes(): number {
    return this.#captured.capacityBytes + this.#key.capacityBytes;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.byteLength && !this.#isFinished) {
      at = this.#isInString ? this.#passString(chunk, at) : this.#passPlain(chunk, at);
    }
    if (this.#captureStart === undefined || this.#isFinished) return;
    this.#captured.append(chunk, this.#captureStart, chunk.byteLength);
    this.#captureStart = 0;
  }

  end(): void {
    this.#isFinished = true;
  }

  /** Reads on inside a string, up to its end or the chunk's; returns where to go on. */
  #passString(chunk: Uint8Array, from: number): number {
    if (this.#isEscaped) {
      this.#isEscaped = false;
      return from + 1;
    }
    const at = endOfRun(chunk, from, ENDS_STRING_RUN);
    if (this.#isKey) this.#key.append(chunk, from, Math.min(at + 1, chunk.byteLength));
    if (chunk[at] === BACKSLASH) this.#isEscaped = true;
    if (chunk[at] === QUOTE) this.#isInString = false;
    return at + 1;
  }

  /** Reads on outside of strings, up to and with one byte of structure; returns where to go on. */
  #passPlain(chunk: Uint8Array, from: number): number {
    const at = endOfRun(chunk, from, ENDS_PLAIN_RUN);
    const byte = chunk[at] ?? 0;
    switch (byte) {
      case QUOTE:
        this.#openString();
        break;
      case 0x7b: // {
      case 0x5b: // [
        this.#open(byte === 0x7b);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        this.#depth -= 1;
        if (this.#depth === this.#memberDepth - 1) this.#finishMember(chunk, at);
        this.#isFinished = this.#depth <= 0;
        break;
      case 0x3a: // :
        if (this.#depth === this.#memberDepth) this.#openMember(at + 1);
        break;
      case 0x2c: // ,
        if (this.#depth === this.#memberDepth) this.#finishMember(chunk, at);
        break;
      default:
        break;
    }
    return at + 1;
  }

  #openString(): void {
    // A bare string as the body, or in it, has no members.
    if (this.#depth < this.#memberDepth) this.#isFinished = true;
    this.#isInString = true;
    this.#isKey = this.#isKeyNext;
    if (this.#isKey) this.#key.clear();
    this.#isKeyNext = false;
  }

  #open(isObject: boolean): void {
    if (this.#depth === 0 && !isObject) this.#memberDepth = 2;
    // An array of arrays has no members.
    else if (this.#depth < this.#memberDepth && !isObject) this.#isFinished = true;
    this.#isKeyNext = this.#depth === this.#memberDepth - 1;
    this.#depth += 1;
    if (this.#isKeyNext) this.#objects += 1;
  }

  #openMember(valueStart: number): void {
    const key = this.#isKey ? this.#key.bytes : undefined;
    this.#isKey = false;
    if (key === undefined) return;
    this.#capturesMetaInfo = isSame(key, META_INFO_KEY);
    const isUsage = this.#memberDepth === 1 && isSame(key, USAGE_KEY);
    if (this.#capturesMetaInfo || isUsage) this.#captureStart = valueStart;
  }

  #finishMember(chunk: Uint8Array, valueEnd: number): void {
    this.#isKeyNext = true;
    this.#isKey = false;
    if (this.#captureStart === undefined) return;
    this.#captured.append(chunk, this.#captureStart, valueEnd);
    this.#captureStart = undefined;
    if (this.#captured.length <= this.#captureBytesMax) this.#take(jsonIn(this.#captured.bytes));
    this.#captured.clear();
  }

  #take(value: unknown): void {
    if (this.#capturesMetaInfo) this.#tally.takeMetaInfo(value, String(this.#objects));
    else this.#tally.takeDocument({ usage: value });
  }
}

function jsonIn(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // The client gets what the engine sent; only the count is missing.
    return undefined;
  }
}

/** The key arrives with the quote that ends it. */
function isSame(key: Buffer, wanted: Buffer): boolean {
  return key.byteLength === wanted.byteLength && key.equals(wanted);
}

function endOfRun(chunk: Uint8Array, from: number, endsRun: Uint8Array): number {
  let at = from;
  while (at < chunk.byteLength && endsRun[chunk[at] ?? 0] === 0) at += 1;
  return at;
}

function tableOf(stops: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const byte of Buffer.from(stops)) table[byte] = 1;
  return table;
}
