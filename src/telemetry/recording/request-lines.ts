import type { RequestRecord } from "../../core/request-record.ts";
import { JsonWriter } from "../../std/json-writer.ts";
import { BlockTexts } from "./block-texts.ts";
import { blockCharacters } from "./lines.ts";
import { type LeftFacts, type Recording, writeRequestLine } from "./request-line.ts";

/** Bytes of the buffer at the start, and of the largest one that is kept for the next lines. */
const bytesAtStart = 64 * 1024;
const keptBytesMax = 1024 * 1024;
/** Room for the members of a line besides its blocks; most lines have less than a tenth of it. */
const membersBytesMax = 4_096;

/** Lines of requests that are over, as bytes in one buffer. Their records are not kept. */
export class RequestLines {
  readonly #recording: Recording;
  readonly #bytesMax: number;
  readonly #json: JsonWriter;
  readonly #blocks: BlockTexts;
  #count = 0;

  /** `bytesMax`: of all lines. The words of their blocks take as much at most. */
  constructor(recording: Recording, bytesMax: number) {
    this.#recording = recording;
    this.#bytesMax = bytesMax;
    this.#json = new JsonWriter({ bytes: bytesAtStart, keptBytesMax, doubledBytesMax: bytesMax });
    this.#blocks = new BlockTexts(bytesMax / blockCharacters);
  }

  /** Bytes. */
  get length(): number {
    return this.#json.length;
  }

  /** Requests. */
  get count(): number {
    return this.#count;
  }

  /** Adds the line of a request. Returns false, with nothing added, if there is no room. */
  add(record: RequestRecord, left: LeftFacts | undefined): boolean {
    const { length } = this.#json;
    if (length + membersBytesMax + blockBytesOf(left) > this.#bytesMax) return false;
    this.#count += 1;
    writeRequestLine({ json: this.#json, blocks: this.#blocks }, { record, left }, this.#recording);
    return true;
  }

  /** Writes some of the hashes of blocks. Returns true if more are left. */
  hashSome(): boolean {
    return this.#blocks.writeSome(this.#json.written(), this.#recording.hashes);
  }

  /** All lines, once all hashes are written. Valid until the next request is added. */
  bytes(): Buffer {
    return this.#json.written();
  }

  clear(): void {
    this.#json.clear();
    this.#blocks.clear();
    this.#count = 0;
  }
}

function blockBytesOf(left: LeftFacts | undefined): number {
  const chains = left?.blocks?.chains;
  if (chains === undefined) return 0;
  let words = 0;
  for (let index = 0; index < chains.length; index += 1) words += chains[index]?.length ?? 0;
  return (words / 2) * blockCharacters;
}
