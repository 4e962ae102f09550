/** A duration with three digits: `0.4 ms`, `120 ms`, `1.9 s`. */
export function msText(ms: number): string {
  const size = Math.abs(ms);
  if (size < 10) return `${Number(ms.toFixed(1))} ms`;
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 100_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.round(ms / 1_000).toLocaleString("en-US")} s`;
}

/** A length of time in whole seconds or minutes. */
export function spanText(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1_000)} s` : `${Math.round(ms / 60_000)} min`;
}

export function percentText(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
