import type { Endpoint } from "../core/endpoint.ts";
import { scrapeFailures, type SignalBoard } from "./signal-board.ts";

/** How reading an endpoint's metrics went since the endpoint came, as the scraper counts it. */
export function scrapesOf({ scrapes }: SignalBoard, { slot }: Endpoint) {
  return {
    ok: scrapes.ok[slot] ?? 0,
    durationMs: scrapes.durationMs[slot] ?? 0,
    bytes: scrapes.bytes[slot] ?? 0,
    failures: Object.fromEntries(scrapeFailures.map((kind) => [kind, scrapes[kind][slot] ?? 0])),
  };
}
