import type { RewriteRule } from "../core/policies.ts";
import { busyMs } from "../std/busy-time.ts";
import { knownModelsOf } from "../telemetry/known-models.ts";
import type { GatewayDeps, GatewayOptions } from "./gateway.ts";
import type { LiveConfig } from "./live-config.ts";
import type { Pool } from "./pool.ts";
import type { ShadowMemories } from "./shadow-memories.ts";
import type { Shadow, ShadowDeps } from "./shadow/shadow.ts";

interface ShadowParts extends GatewayDeps, Pick<ShadowDeps, "registry" | "decisions"> {
  readonly pool: Pool;
  readonly memories: ShadowMemories;
  readonly rewriteRules: () => readonly RewriteRule[];
  readonly config: () => LiveConfig;
}

/** The comparison with a shadow document, which is loaded only if there may be one. */
export async function shadowOf(
  { shadowFile: file, requests, metrics }: GatewayOptions,
  parts: ShadowParts,
): Promise<Shadow | undefined> {
  if (file === undefined) return undefined;
  const { rewriteRules, pool, memories, config } = parts;
  const { Shadow: Opened } = await import("./shadow/shadow.ts");
  return new Opened({
    ...parts,
    ...metrics,
    file,
    busyMs,
    build: parts,
    memory: memories.shadow,
    rulerMemory: memories.ruler,
    ignoresSubset: requests.ignoresSubset,
    known: knownModelsOf({ rewriteRules, isServed: (model) => pool.facts.isServed(model) }),
    inForce: () => config().inForce,
  });
}
