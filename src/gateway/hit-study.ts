import type { Registry } from "prom-client";
import { type AdminServerOptions, jsonPage } from "../admin/admin-server.ts";
import { hitsPageOf } from "../admin/hits-page.ts";
import type { RequestStudy } from "../core/request-study.ts";
import { PromptHasher } from "../data-plane/scheduling/producers/prefix-index/prompt-hasher.ts";
import { isOnlyTokenized } from "../data-plane/scheduling/shared/only-tokenized.ts";
import { HitStudy } from "../state/hits/hit-study.ts";
import { registerHitMetrics } from "../state/hits/metrics.ts";
import type { Clock } from "../std/clock.ts";
import type { Pool } from "./pool.ts";

/** Tokens of a prompt that are hashed if no plugin hashes it. */
const promptTokensMax = 32_768;

/** The hit-rate ladder of a gateway, with its metrics and its page. */
export function hitStudyOf({
  clock,
  registry,
  pool,
}: {
  readonly clock: Clock;
  readonly registry: Registry;
  readonly pool: Pick<Pool, "store" | "view">;
}): { readonly study: RequestStudy; readonly pages: AdminServerOptions["pages"] } {
  let hasher: PromptHasher | undefined;
  const study = new HitStudy({
    nowMs: () => clock.nowMs(),
    pool: () => ({ endpoints: pool.store.takers(), load: pool.view.load }),
    hash: (request, blockTokens) => {
      if (isOnlyTokenized(request)) return undefined;
      const { targetModel: model, cacheSalt } = request;
      hasher ??= new PromptHasher();
      return hasher.hash(request.prompts, { model, cacheSalt, blockTokens, promptTokensMax });
    },
  });
  registerHitMetrics(registry, () => study.summary());
  return { study, pages: { "/debug/hits": () => jsonPage(hitsPageOf(study.report())) } };
}
