/** Style of a piece of a line if the terminal has colours. */
export type Tone = "plain" | "dim" | "strong" | "good" | "bad";

export interface Segment {
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly Segment[];

export function toned(text: string, tone: Tone = "plain"): Segment {
  return { text, tone };
}

/** The line without its tones. */
export function plainTextOf(line: Line): string {
  return line.map(({ text }) => text).join("");
}

/** A bar of `width` characters, of which `ratio` (0..1) are filled; anything above 0 shows. */
export function barOf(ratio: number, width: number): string {
  const filled = Math.min(width, ratio > 0 ? Math.max(1, Math.round(ratio * width)) : 0);
  return "█".repeat(filled) + "░".repeat(width - filled);
}

export function percentOf(ratio: number | undefined): string {
  return ratio === undefined ? "-" : `${Math.round(ratio * 100)} %`;
}

/** `0.06 ms`, `182 ms`, `1.2 s`, `12 s`: about two digits, whatever the size. */
export function durationOf(ms: number | undefined): string {
  if (ms === undefined || Number.isNaN(ms)) return "-";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  return ms < 9_950 ? `${(ms / 1_000).toFixed(1)} s` : `${(ms / 1_000).toFixed(0)} s`;
}

/** `1 request`, `2 requests`. */
export function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** `0:07`, `12:30`. */
export function minutesOf(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
