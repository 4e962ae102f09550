import type { Endpoint } from "../core/endpoint.ts";
import { scrapeFailures, type SignalBoard } from "./signal-board.ts";

/** Results of an endpoint's scrapes since it joined the pool, as the scraper counts them. */
export function scrapesOf({ scrapes }: SignalBoard, { slot }: Endpoint) {
  return {
    ok: scrapes.ok[slot] ?? 0,
    durationMs: scrapes.durationMs[slot] ?? 0,
    bytes: scrapes.bytes[slot] ?? 0,
    failures: Object.fromEntries(scrapeFailures.map((kind) => [kind, scrapes[kind][slot] ?? 0])),
  };
}
