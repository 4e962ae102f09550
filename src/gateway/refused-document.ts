/** Mistakes of a document that are logged; the rest are counted. */
const mistakesLoggedMax = 50;

/** A document that was refused, while the one before stays in use. */
export interface RefusedDocument {
  readonly hash: string;
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly mistakes: readonly string[];
}

/** The refused document for pages; null if there is none. */
export function shownRefused(refused: RefusedDocument | undefined): {
  readonly hash: string;
  readonly refusedAt: string;
  readonly mistakes: readonly string[];
} | null {
  if (refused === undefined) return null;
  const { hash, atMs, mistakes } = refused;
  return { hash, refusedAt: new Date(atMs).toISOString(), mistakes };
}

/** The mistakes of a document for the log. */
export function loggedMistakes(mistakes: readonly string[]): {
  readonly mistakeCount: number;
  readonly mistakes: readonly string[];
} {
  return { mistakeCount: mistakes.length, mistakes: mistakes.slice(0, mistakesLoggedMax) };
}
