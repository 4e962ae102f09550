import type { Random } from "../../std/random.ts";

/** Any of several, drawn again each time. */
export function anyOf<T>(all: readonly T[], random: Random): () => T {
  return () => {
    const one = all[Math.floor(random() * all.length)];
    if (one === undefined) throw new Error("there is one at least");
    return one;
  };
}
