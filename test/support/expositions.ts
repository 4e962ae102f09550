import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";
import type { EngineSignals } from "../../src/core/signals.ts";

/** A page as an engine answers `/metrics`, and what it means. */
export interface GoldenExposition {
  readonly name: string;
  readonly page: Buffer;
  readonly engine: string;
  readonly signals: EngineSignals;
}

const folder = new URL("../expositions/", import.meta.url);

const signal = z.number().nullable();
const names = z.array(z.string()).transform((list): ReadonlySet<string> => new Set(list));
const adapters = z.strictObject({ active: names, waiting: names, adaptersMax: z.number() });

/** In a file null stands for undefined, which JSON has not. */
const meaning = z.strictObject({
  engine: z.string(),
  signals: z
    .strictObject({
      waitingRequests: signal,
      runningRequests: signal,
      kvCacheUsedRatio: signal,
      blockTokens: signal,
      blocksMax: signal,
      prefixLookupTokens: signal.default(null),
      prefixHitTokens: signal.default(null),
      startedAtSeconds: signal,
      adapters: adapters.nullable(),
      attributes: z.record(z.string(), z.number()),
    })
    .transform((told): EngineSignals => ({
      waitingRequests: told.waitingRequests ?? undefined,
      runningRequests: told.runningRequests ?? undefined,
      kvCacheUsedRatio: told.kvCacheUsedRatio ?? undefined,
      blockTokens: told.blockTokens ?? undefined,
      blocksMax: told.blocksMax ?? undefined,
      prefixLookupTokens: told.prefixLookupTokens ?? undefined,
      prefixHitTokens: told.prefixHitTokens ?? undefined,
      startedAtSeconds: told.startedAtSeconds ?? undefined,
      adapters: told.adapters ?? undefined,
      attributes: new Map(Object.entries(told.attributes)),
    })),
});

/** Every page of `test/expositions`, by name. */
export function goldenExpositions(): readonly GoldenExposition[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".txt"))
    .toSorted()
    .map((file) => {
      const name = file.replace(/\.txt$/, "");
      const told: unknown = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));
      const { engine, signals } = meaning.parse(told);
      return { name, page: readFileSync(new URL(file, folder)), engine, signals };
    });
}
