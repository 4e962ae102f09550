import type { DecisionRecord } from "../core/decision-record.ts";
import { type TextPage, jsonPage, textPage } from "./admin-server.ts";

/** Decisions shown at once: each may list a thousand endpoints. */
const shownMax = 100;
const shownByDefault = 10;

/** Where decisions are looked up. */
export interface DecisionSource {
  last(count: number): readonly DecisionRecord[];
  ofRequest(requestId: string): readonly DecisionRecord[];
  byId(id: number): DecisionRecord | undefined;
}

/** The page `/debug/decisions`. */
export interface DecisionsPage {
  readonly decisions: readonly ReturnType<typeof withDate>[];
}

interface TwoClocks {
  nowMs(): number;
  wallMs(): number;
}

/**
 * The last decisions (`?last=N`), those of a request (`?request=ID`), or one by its number (`?id=N`),
 * newest first.
 */
export function decisionsPage(
  query: URLSearchParams,
  source: DecisionSource,
  clock: TwoClocks,
): TextPage {
  const unknown = [...query.keys()].filter((key) => !["last", "request", "id"].includes(key));
  if (unknown.length > 0) {
    return textPage(
      400,
      `unknown parameter ${unknown.join(", ")}; want last=N, request=ID or id=N\n`,
    );
  }
  const found = recordsFor(query, source);
  if (found === undefined) return textPage(400, "last and id must be whole numbers above 0\n");
  const offsetMs = clock.wallMs() - clock.nowMs();
  const page: DecisionsPage = { decisions: found.map((record) => withDate(record, offsetMs)) };
  return jsonPage(page);
}

function recordsFor(
  query: URLSearchParams,
  source: DecisionSource,
): readonly DecisionRecord[] | undefined {
  const request = query.get("request");
  if (request !== null) return source.ofRequest(request).slice(0, shownMax);
  const id = query.get("id");
  if (id !== null) {
    const wanted = countIn(id);
    if (wanted === undefined) return undefined;
    const record = source.byId(wanted);
    return record === undefined ? [] : [record];
  }
  const last = countIn(query.get("last") ?? String(shownByDefault));
  return last === undefined ? undefined : source.last(Math.min(last, shownMax));
}

function countIn(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined;
}

function withDate({ atMs, ...record }: DecisionRecord, offsetMs: number) {
  return { at: new Date(atMs + offsetMs).toISOString(), ...record };
}
