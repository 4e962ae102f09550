import { blockCharacters, type RequestLine } from "../telemetry/recording/lines.ts";
import { clientOf, endMsOf, wasAnswered } from "./recorded-answers.ts";

/** Requests that may go on from one answer. A prompt that more begin with is a common beginning, and no conversation. */
const branchesMax = 8;

/** For each request the longest earlier prompt that its own begins with, of several the one that was answered last. */
export function previousPrompts(requests: readonly RequestLine[]): readonly (number | undefined)[] {
  return withoutCommonBeginnings(new PromptChains(requests).previous());
}

/** Finds prompts that begin with the whole prompt of an earlier request. */
class PromptChains {
  readonly #requests: readonly RequestLine[];
  /** The first request that had a block. */
  readonly #firstWith = new Map<string, number>();
  /** Answered requests by the last full block of their prompt, in the order of arrival. */
  readonly #endingWith = new Map<string, number[]>();

  constructor(requests: readonly RequestLine[]) {
    this.#requests = requests;
  }

  previous(): (number | undefined)[] {
    return this.#requests.map((line, index) => {
      const found = this.#previousOf(line);
      this.#add(line, index);
      return found;
    });
  }

  #previousOf(line: RequestLine): number | undefined {
    const { atMs, promptTokens = 0 } = line;
    const client = clientOf(line);
    const chain = chainOf(line);
    for (let at = chain.length - blockCharacters; at >= 0; at -= blockCharacters) {
      const block = chain.slice(at, at + blockCharacters);
      const ending = this.#endingWith.get(block);
      if (ending === undefined || !this.#isOwn(block)) continue;
      let [found, foundEndMs] = [undefined as number | undefined, Number.NEGATIVE_INFINITY];
      for (const index of ending) {
        const before = this.#requests[index];
        if (before === undefined || clientOf(before) !== client) continue;
        const endMs = endMsOf(before);
        const isLonger = promptTokens > (before.promptTokens ?? 0);
        if (!isLonger || endMs > atMs || endMs < foundEndMs) continue;
        [found, foundEndMs] = [index, endMs];
      }
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** True if the first prompt with this block ended with it: else others had shared it before. */
  #isOwn(block: string): boolean {
    const first = this.#requests[this.#firstWith.get(block) ?? -1];
    return first !== undefined && lastFullBlockOf(first) === block;
  }

  #add(line: RequestLine, index: number): void {
    const chain = chainOf(line);
    for (let at = chain.length - blockCharacters; at >= 0; at -= blockCharacters) {
      const block = chain.slice(at, at + blockCharacters);
      // Those before it were there too.
      if (this.#firstWith.has(block)) break;
      this.#firstWith.set(block, index);
    }
    const last = lastFullBlockOf(line);
    if (last === undefined || !wasAnswered(line)) return;
    const ending = this.#endingWith.get(last);
    if (ending === undefined) this.#endingWith.set(last, [index]);
    else ending.push(index);
  }
}

/** The blocks of a prompt; "" for none, and for several prompts at once, which no conversation has. */
function chainOf({ blocks = [] }: RequestLine): string {
  const [chain = ""] = blocks;
  return blocks.length === 1 ? chain : "";
}

/** In a longer prompt, the block of the last tokens that do not fill one is another. */
function lastFullBlockOf(line: RequestLine): string | undefined {
  const { promptTokens = 0, blockTokens = 1 } = line;
  const end = Math.min(
    chainOf(line).length,
    Math.floor(promptTokens / blockTokens) * blockCharacters,
  );
  return end === 0 ? undefined : chainOf(line).slice(end - blockCharacters, end);
}

function withoutCommonBeginnings(
  previous: readonly (number | undefined)[],
): readonly (number | undefined)[] {
  const branches = new Map<number, number>();
  for (const request of previous) {
    if (request !== undefined) branches.set(request, (branches.get(request) ?? 0) + 1);
  }
  return previous.map((request) => {
    const count = branches.get(request ?? -1) ?? 0;
    return count > branchesMax ? undefined : request;
  });
}
