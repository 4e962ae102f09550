import { hash } from "node:crypto";

/** Characters of base64url, 6 bits each, that are kept of a hash: 132 bits. */
const hashCharacters = 22;

/**
 * Hashes texts with a secret (SHA-256). Texts with other borders between them have another hash. Without the secret,
 * nothing can be learned from a hash, and no text can be found that has the same one.
 */
export class KeyedHash {
  readonly #secret: string;

  constructor(secret: string) {
    this.#secret = secret;
  }

  of(...texts: readonly string[]): string {
    let input = this.#secret;
    for (const text of texts) input += `${text.length}:${text}`;
    return hash("sha256", input, "base64url").slice(0, hashCharacters);
  }
}
