import type { Random } from "../../../std/random.ts";

/** Every interval is longer or shorter by up to this ratio. */
const jitterRatio = 0.1;

/** An interval with jitter, so that scrapes do not synchronize. */
export function jitteredMs(intervalMs: number, random: Random): number {
  return intervalMs * (1 + jitterRatio * (2 * random() - 1));
}

/** Intervals of scrapes, in milliseconds. */
export interface Pace {
  /** For an endpoint that gets requests, or whose state changes while others get requests. */
  readonly intervalMs: number;
  /**
   * Maximum for an endpoint that works on requests, if its reports do not change or no requests are
   * sent.
   */
  readonly calmIntervalMs: number;
  /** Maximum for an endpoint without requests. */
  readonly idleIntervalMs: number;
  /** Maximum after failures in a row. */
  readonly backoffMsMax: number;
}

/** State of one endpoint when its next scrape is planned. */
export interface Activity {
  /** It works on requests of ours. */
  readonly isBusy: boolean;
  /** Requests were sent to it since its last scrape. */
  readonly isSentTo: boolean;
  /** Its last report differed from the one before. */
  readonly hasChanged: boolean;
  /** Requests were recently sent to any endpoint, so decisions use its signals. */
  readonly isDeciding: boolean;
  readonly failuresInRow: number;
  /** The interval planned last. */
  readonly intervalMs: number;
}

/**
 * Milliseconds from the start of one scrape of an endpoint to the start of the next.
 *
 * Short if its state changes or decisions depend on it. If nothing happens the interval doubles
 * from scrape to scrape, up to the calm one while it works and else up to the idle one. Failures
 * double it too, up to the longest pause.
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

/** Idle endpoints stretch by this factor before busy ones start to. */
const idleStretchMax = 4;

/**
 * Maximum stretch of intervals: ten times for busy endpoints. Where several pickers share engines
 * with LoRA adapters, reports 0.5 s apart are as good as 0.05 s, and 1 s apart they are not
 * (decision 0076).
 */
const stretchMax = 10 * idleStretchMax;
/** No interval becomes longer than this by a stretch. */
const stretchedMsMax = 5_000;

/** An interval under a stretch: idle endpoints are slowed down first, then all. */
export function stretchedMs(intervalMs: number, stretch: number, isBusy: boolean): number {
  const factor = isBusy ? Math.max(1, stretch / idleStretchMax) : stretch;
  return Math.max(intervalMs, Math.min(stretchedMsMax, intervalMs * factor));
}

/**
 * The stretch of intervals that keeps scraping within its share of a core.
 *
 * Work per second is proportional to 1 / stretch, so `stretch x used / budget` would just use the
 * budget. A step changes it by a factor of 2 at most, since one measurement may be off.
 */
export function nextStretch(
  stretch: number,
  { usedRatio, budgetRatio }: { readonly usedRatio: number; readonly budgetRatio: number },
): number {
  const step = Math.min(2, Math.max(0.5, usedRatio / budgetRatio));
  return Math.min(stretchMax, Math.max(1, stretch * step));
}
