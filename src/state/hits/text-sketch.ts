import type { PromptPart } from "../../core/request.ts";

/** Characters of a prompt that are looked at. */
export const sketchCharacters = 8_192;

/** Characters of a piece. */
const pieceCharacters = 16;

/** Pieces of a sketch: those with the smallest hashes. */
const piecesMax = 64;

/**
 * The smallest hashes of the pieces of a text, ascending: two texts have about as many of them in common as they have
 * text in common, at whatever places (MinHash, Broder 1997). It holds no text.
 */
export type TextSketch = Uint32Array;

/** A sketch of the beginning of a prompt; undefined if it has too little text. */
export function sketchOf(parts: readonly PromptPart[]): TextSketch | undefined {
  let text = "";
  for (const part of parts) {
    if (text.length >= sketchCharacters) break;
    if (part.kind === "text") text += part.text.slice(0, sketchCharacters - text.length);
  }
  const smallest = new Smallest();
  for (let at = 0; at + pieceCharacters <= text.length; at += 1) {
    // Pieces begin where the text says so, one in eight characters, so that they move with it.
    if (at > 0 && (mixed(text.charCodeAt(at - 1), text.charCodeAt(at)) & 7) !== 0) continue;
    smallest.add(hashOf(text, at));
  }
  return smallest.isFull ? smallest.hashes : undefined;
}

/** Share of the text of two prompts that both have, 0 to 1. */
export function commonShare(one: TextSketch, other: TextSketch): number {
  // Among the smallest hashes of both texts together, those that both have.
  let [common, seen, a, b] = [0, 0, 0, 0];
  while (seen < piecesMax && a < one.length && b < other.length) {
    const [left = 0, right = 0] = [one[a], other[b]];
    if (left === right) common += 1;
    if (left <= right) a += 1;
    if (right <= left) b += 1;
    seen += 1;
  }
  const similarity = seen === 0 ? 0 : common / seen;
  // Of two texts of the same length: the part of one that the other one has.
  return (2 * similarity) / (1 + similarity);
}

function mixed(a: number, b: number): number {
  const product = Math.imul(Math.imul(a, 31) + b, 0x9e37_79b1);
  return product ^ (product >>> 15);
}

function hashOf(text: string, from: number): number {
  let hash = 0x811c_9dc5;
  for (let at = from; at < from + pieceCharacters; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** The smallest different numbers of those that are added. */
class Smallest {
  readonly hashes = new Uint32Array(piecesMax);
  #count = 0;

  get isFull(): boolean {
    return this.#count === piecesMax;
  }

  add(hash: number): void {
    const { hashes } = this;
    if (this.isFull && hash >= (hashes[piecesMax - 1] ?? 0)) return;
    let at = this.#count;
    while (at > 0 && (hashes[at - 1] ?? 0) > hash) at -= 1;
    if (at > 0 && hashes[at - 1] === hash) return;
    hashes.copyWithin(at + 1, at, Math.min(this.#count, piecesMax - 1));
    hashes[at] = hash;
    this.#count = Math.min(piecesMax, this.#count + 1);
  }
}
