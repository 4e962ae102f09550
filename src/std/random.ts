/** A source of uniform numbers in [0, 1). */
export interface Random {
  (): number;
}

export const systemRandom: Random = () => Math.random();

/** A source whose numbers follow from its state, so that what was drawn from it can be drawn again. */
export interface RepeatableRandom extends Random {
  /** 32 bits. */
  state: number;
}

/** A repeatable source: mulberry32, 32 bits of state, period 2^32. */
export function seededRandom(seed: number): RepeatableRandom {
  const random: RepeatableRandom = Object.assign(
    () => {
      const state = (random.state + 0x6d2b79f5) >>> 0;
      random.state = state;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    },
    { state: seed >>> 0 },
  );
  return random;
}

/** A repeatable source that differs in each process. */
export function freshRandom(): RepeatableRandom {
  return seededRandom(Math.floor(systemRandom() * 2 ** 32));
}

/** 0 .. length-1 in random order (Fisher-Yates). */
export function shuffledIndexes(length: number, random: Random): number[] {
  const indexes = Array.from({ length }, (_, index) => index);
  for (let last = length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const swapped = indexes[last] ?? last;
    indexes[last] = indexes[other] ?? other;
    indexes[other] = swapped;
  }
  return indexes;
}
