import type { TrustSettings } from "../core/signal-settings.ts";

/** In effect if the configuration sets nothing else. */
export const defaultTrust: TrustSettings = { graceMs: 250, halfLifeMs: 1_000, boundMs: 5_000 };

/**
 * The weight of a report that is `overdueMs` older than its reader plans:
 *
 *     1 within the grace, 0.5 ^ (late / halfLife) beyond it, 0 from the bound on
 */
export function trustIn(
  overdueMs: number,
  { graceMs, halfLifeMs, boundMs }: TrustSettings,
): number {
  const lateMs = overdueMs - graceMs;
  if (lateMs <= 0) return 1;
  // True also for NaN, an unknown age.
  if (!(lateMs < boundMs)) return 0;
  return 0.5 ** (lateMs / halfLifeMs);
}
