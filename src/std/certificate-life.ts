const dayMs = 86_400_000;

/** Time that is left from which a certificate should have been renewed, and the share of its life for short ones. */
const leftMsMin = 14 * dayMs;
const leftShareMin = 0.15;

/** From when to when a certificate is valid, in Unix milliseconds. */
export interface CertificateLife {
  readonly startMs: number;
  readonly endMs: number;
}

/** True for a certificate that should have been renewed by now. */
export function isOverdue({ startMs, endMs }: CertificateLife, nowMs: number): boolean {
  return endMs - nowMs < Math.min(leftMsMin, leftShareMin * (endMs - startMs));
}
