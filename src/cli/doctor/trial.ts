import { type Asked, jsonIn } from "./ask.ts";
import { isAdapter, type ModelsFacts, type TrialFacts } from "./engine-facts.ts";

/** About 500 tokens: more than a block of nearly every engine, so that the second answer may hit. */
const prompt = Array.from({ length: 250 }, (_, index) => `line ${index}`).join(". ");

/** Sends the same completion of one token twice. */
export async function madeTrial(
  { endpoint, models }: { readonly endpoint: URL; readonly models: ModelsFacts },
  ask: (url: URL, body: string) => Promise<Asked>,
): Promise<TrialFacts> {
  const listed = models.kind === "listed" ? models.models : [];
  const model = listed.find((each) => !isAdapter(each)) ?? listed[0];
  if (model === undefined) return { kind: "failed", reason: "no model is listed" };
  const body = JSON.stringify({ model: model.id, prompt, max_tokens: 1, stream: false });
  const url = new URL("/v1/completions", endpoint);
  const first = await ask(url, body);
  const last = first.kind === "answered" && first.status === 200 ? await ask(url, body) : first;
  if (last.kind === "failed") return last;
  if (last.status !== 200) return { kind: "failed", reason: `status ${last.status}` };
  return { kind: "answered", ...usageIn(last.text) };
}

/** The parts of `usage` that tell of the cache. */
function usageIn(text: string): {
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
} {
  const usage = memberOf(jsonIn(text), "usage");
  const details = memberOf(usage, "prompt_tokens_details");
  return {
    promptTokens: numberOf(memberOf(usage, "prompt_tokens")),
    cachedTokens: numberOf(memberOf(details, "cached_tokens")),
  };
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
