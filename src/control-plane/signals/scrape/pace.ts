import type { Random } from "../../../std/random.ts";

/** Every interval is longer or shorter by up to this share. */
const jitterRatio = 0.1;

/** An interval with its share of chance, so that scrapes never fall into step. */
export function jitteredMs(intervalMs: number, random: Random): number {
  return intervalMs * (1 + jitterRatio * (2 * random() - 1));
}

/** How often engines are asked; all in milliseconds. */
export interface Pace {
  /** Between two scrapes of an endpoint that gets requests, or whose state changes while others do. */
  readonly intervalMs: number;
  /** The longest where it works on requests and looks as before, or nobody decides. */
  readonly calmIntervalMs: number;
  /** The longest, for an endpoint where nothing happens. */
  readonly idleIntervalMs: number;
  /** The longest pause after failures in a row. */
  readonly backoffMsMax: number;
}

/** What is known of one endpoint when its next scrape is planned. */
export interface Activity {
  /** It works on requests of ours. */
  readonly isBusy: boolean;
  /** Requests were sent to it since its last scrape. */
  readonly isSentTo: boolean;
  /** Its last report differed from the one before. */
  readonly hasChanged: boolean;
  /** Requests were sent lately to anybody: its signals are looked at. */
  readonly isDeciding: boolean;
  readonly failuresInRow: number;
  /** What was planned last. */
  readonly intervalMs: number;
}

/**
 * Milliseconds from the start of one scrape of an endpoint to the start of the next.
 *
 * Short where its state changes or decisions depend on it. Where nothing happens the interval doubles from scrape to
 * scrape, up to the calm one while it works and up to the idle one else. Failures double it too, up to the longest pause.
 */
export function nextIntervalMs(pace: Pace, activity: Activity): number {
  const { intervalMs, calmIntervalMs, idleIntervalMs, backoffMsMax } = pace;
  const { isBusy, isSentTo, hasChanged, isDeciding, failuresInRow } = activity;
  if (failuresInRow > 0) {
    return Math.min(intervalMs * 2 ** failuresInRow, Math.max(intervalMs, backoffMsMax));
  }
  if (isSentTo || (isDeciding && hasChanged)) return intervalMs;
  const longestMs = Math.max(intervalMs, isBusy ? calmIntervalMs : idleIntervalMs);
  return Math.min(longestMs, activity.intervalMs * 2);
}

/** The most that intervals are stretched: beyond, signals would be too old to be of use. */
const stretchMax = 20;

/** Intervals of endpoints where nothing happens stretch this many times before those of busy ones begin to. */
const idleStretchMax = 4;

/** An interval under a stretch: first endpoints where nothing happens give way, then all. */
export function stretchedMs(intervalMs: number, stretch: number, isBusy: boolean): number {
  return intervalMs * (isBusy ? Math.max(1, stretch / idleStretchMax) : stretch);
}

/**
 * By how much intervals are stretched so that scraping keeps to its share of a core.
 *
 * Work per second goes with 1 / stretch, so `stretch x used / budget` would just use the budget; a step changes it by a
 * factor of 2 at most, since one measurement may be off.
 */
export function nextStretch(
  stretch: number,
  { usedRatio, budgetRatio }: { readonly usedRatio: number; readonly budgetRatio: number },
): number {
  const step = Math.min(2, Math.max(0.5, usedRatio / budgetRatio));
  return Math.min(stretchMax, Math.max(1, stretch * step));
}
