/** Share of the busiest endpoint's load that an endpoint which starts slowly has from the beginning. */
const firstRatio = 0.1;

/**
 * Whether an endpoint that starts slowly has room for one more request: it gets a growing share of what the
 * busiest candidate has, and one request in any case.
 *
 * @param ramp share of its slow start that is over, 0 to 1
 */
export function hasSlowStartRoom(
  ramp: number,
  { inFlight, busiest }: { readonly inFlight: number; readonly busiest: number },
): boolean {
  return inFlight < 1 + Math.max(firstRatio, ramp) * busiest;
}
