import type { RequestRecord } from "../../core/request-record.ts";
import type { KeyedHashes } from "./keyed-hashes.ts";

/** Names that are kept, and characters of the longest one. */
const namesMax = 1_000;
const nameCharactersMax = 128;

/** Names that are models, because an engine has answered for them: a client may send a prompt in place of a name. */
export class SeenModels {
  readonly #names = new Set<string>();

  note({ request, httpStatus, end }: RequestRecord): void {
    const isAnswered = httpStatus !== undefined && httpStatus < 300 && end === "complete";
    if (request === undefined || !isAnswered || this.#names.size >= namesMax) return;
    for (const name of [request.model, request.targetModel]) {
      if (name.length <= nameCharactersMax) this.#names.add(name);
    }
  }

  /** The name itself if it is a model's, else its hash. */
  nameOf(name: string, hashes: KeyedHashes): string {
    return this.#names.has(name) ? name : hashes.name(name);
  }
}
