/** Milliseconds between two looks. */
const lookMs = 20;

/** A value that means "not yet", as tests and matches of texts give it. */
type NotYet = undefined | null | false;

/** Resolves to the first value of `look` that is not undefined, null or false; fails, saying `what`, if none comes. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | NotYet> | T | NotYet,
  timeoutMs = 10_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await look();
      if (value !== undefined && value !== null && value !== false) return value;
    } catch (cause) {
      last = cause;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, lookMs);
    });
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last });
}
