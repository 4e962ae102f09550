/** Milliseconds between two looks. */
const lookMs = 20;

/** Resolves to the first value of `look` that is not undefined; fails, saying `what`, if none comes. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  timeoutMs = 10_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < end) {
    try {
      const value = await look();
      if (value !== undefined) return value;
    } catch (cause) {
      last = cause;
    }
    await new Promise((resolve) => {
      setTimeout(resolve, lookMs);
    });
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last });
}
