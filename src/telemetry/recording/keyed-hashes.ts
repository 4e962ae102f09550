import { createCipheriv, createHmac, randomBytes } from "node:crypto";

/** Bytes of a block in the result of the cipher. */
export const encryptedBytes = 16;

/** Blocks of one call of the cipher. */
export const encryptedBlocksMax = 4_096;

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
  readonly #key = randomBytes(encryptedBytes);
  readonly #cipher = createCipheriv("aes-128-ecb", this.#key, null).setAutoPadding(false);
  readonly #plain = new Uint32Array((encryptedBlocksMax * encryptedBytes) / 4);
  readonly #plainBytes = new Uint8Array(this.#plain.buffer);
  readonly #names = new Map<string, string>();

  /**
   * Encrypts the first blocks, `encryptedBlocksMax` at most, to `encryptedBytes` for each. `words`: two for each block, as
   * in `PromptBlocks`.
   */
  encrypted(words: Uint32Array): Uint8Array {
    const plain = this.#plain;
    const blocks = Math.min(words.length / 2, encryptedBlocksMax);
    for (let block = 0; block < blocks; block += 1) {
      plain[block * 4] = words[block * 2] ?? 0;
      plain[block * 4 + 1] = words[block * 2 + 1] ?? 0;
    }
    return this.#cipher.update(this.#plainBytes.subarray(0, blocks * encryptedBytes));
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
