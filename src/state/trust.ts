import type { TrustSettings } from "../core/signal-settings.ts";

/** In force until a configuration says otherwise. */
export const defaultTrust: TrustSettings = { graceMs: 250, halfLifeMs: 1_000, boundMs: 5_000 };

/**
 * How far a report counts that is `overdueMs` older than its reader plans:
 *
 *     1 within the grace, 0.5 ^ (late / halfLife) for what is beyond it, 0 from the bound on
 */
export function trustIn(
  overdueMs: number,
  { graceMs, halfLifeMs, boundMs }: TrustSettings,
): number {
  const lateMs = overdueMs - graceMs;
  if (lateMs <= 0) return 1;
  // The comparison is true for NaN, an age that nobody knows.
  if (!(lateMs < boundMs)) return 0;
  return 0.5 ** (lateMs / halfLifeMs);
}
