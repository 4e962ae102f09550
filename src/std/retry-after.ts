/** The wait that a `Retry-After` asks for: seconds, or a date. Undefined if it is neither. */
export function retryAfterMsOf(text: string | undefined, unixMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/u.test(text)) return Number(text) * 1_000;
  // Node.js would take many other texts for a date.
  const dateMs = /^[A-Z][a-z]{2}, /u.test(text) ? Date.parse(text) : Number.NaN;
  const waitMs = Math.max(0, dateMs - unixMs);
  return Number.isNaN(waitMs) ? undefined : waitMs;
}
