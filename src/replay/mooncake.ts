import { blockCharacters, type RequestLine } from "../telemetry/recording/lines.ts";
import { type TraceLine, traceBlockTokens } from "./lab/trace.ts";

/**
 * A recording as a trace of Mooncake: one id for each 512 tokens, numbered in the order of their appearance. Requests
 * without blocks have ids that no other has.
 */
export function mooncakeLinesOf(requests: readonly RequestLine[]): readonly TraceLine[] {
  const ids = new Map<string, number>();
  const startMs = requests[0]?.atMs ?? 0;
  const idOf = (name: string) => {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const id = ids.size;
    ids.set(name, id);
    return id;
  };
  return requests.flatMap((line, number) => {
    const { atMs, promptTokens, outputTokens } = line;
    // A request that was not understood is no inference.
    if (promptTokens === undefined || promptTokens === 0) return [];
    const count = Math.ceil(promptTokens / traceBlockTokens);
    return {
      timestamp: Math.round(atMs - startMs),
      input_length: promptTokens,
      output_length: outputTokens ?? 0,
      hash_ids: Array.from({ length: count }, (_, index) =>
        idOf(blockAt(line, index) ?? `${number} ${index}`),
      ),
    };
  });
}

/** The last block of 512 tokens, whose hash depends on all blocks before it; undefined if it was not hashed. */
function blockAt({ blocks, blockTokens = 1 }: RequestLine, index: number): string | undefined {
  const [chain = ""] = blocks ?? [];
  const count = chain.length / blockCharacters;
  const each = Math.max(1, Math.round(traceBlockTokens / blockTokens));
  if (index * each >= count) return undefined;
  const last = Math.min(count, (index + 1) * each) - 1;
  return chain.slice(last * blockCharacters, (last + 1) * blockCharacters);
}
