import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { blockCharacters } from "./lines.ts";

/** Bytes of a block for the cipher, and of its result that are kept. */
const cipherBytes = 16;
const keptBytes = (blockCharacters * 3) / 4;

/** Names whose hashes are kept, with the longest name of a client's choice. */
const namesMax = 1_000;
const nameCharactersMax = 512;

/**
 * Hashes that only this recording has: its key is drawn at the start, stays in memory, and is never written. Equal inputs
 * have equal hashes, and no input can be tried without the key.
 *
 * A block's hash is the beginning of AES-128 of its 64-bit hash in the prefix index. One call encrypts many prompts.
 */
export class KeyedHashes {
  readonly #key = randomBytes(cipherBytes);
  readonly #cipher = createCipheriv("aes-128-ecb", this.#key, null).setAutoPadding(false);
  readonly #names = new Map<string, string>();

  /** A text for each chain, which has two words per block, as in `PromptBlocks`. */
  blocks(chains: readonly Uint32Array[]): readonly string[] {
    const count = chains.reduce((sum, { length }) => sum + length, 0) / 2;
    const words = new Uint32Array((count * cipherBytes) / 4);
    let word = 0;
    for (const chain of chains) {
      for (let at = 0; at < chain.length; at += 2) {
        words[word] = chain[at] ?? 0;
        words[word + 1] = chain[at + 1] ?? 0;
        word += cipherBytes / 4;
      }
    }
    const encrypted = this.#cipher.update(new Uint8Array(words.buffer));
    const kept = Buffer.allocUnsafe(count * keptBytes);
    for (let block = 0, to = 0; block < count; block += 1) {
      const from = block * cipherBytes;
      for (let byte = 0; byte < keptBytes; byte += 1, to += 1)
        kept[to] = encrypted[from + byte] ?? 0;
    }
    // Blocks fill whole characters, so that the text can be cut between them.
    const text = kept.toString("base64url");
    let end = 0;
    return chains.map(({ length }) => {
      const start = end;
      end += (length / 2) * blockCharacters;
      return text.slice(start, end);
    });
  }

  /** A name that a client chose, such as a tenant's. */
  name(text: string): string {
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    const hmac = createHmac("sha256", this.#key).update(text).digest("base64url");
    const hash = hmac.slice(0, 12);
    if (text.length > nameCharactersMax) return hash;
    if (this.#names.size >= namesMax) this.#names.clear();
    this.#names.set(text, hash);
    return hash;
  }
}
