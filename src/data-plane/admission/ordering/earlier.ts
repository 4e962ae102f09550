/** Compares two times of which any may be `Infinity`; 0 if both are. */
export function earlier(aMs: number, bMs: number): number {
  // The difference of two infinite times is NaN.
  return aMs === bMs ? 0 : aMs - bMs;
}
