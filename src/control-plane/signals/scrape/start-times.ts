/**
 * Reports in a row, each over a connection of its own, without an older process: then it is a
 * restart.
 */
const restartReports = 16;
/**
 * Processes that are distinguished behind one port; one engine has no more API server processes.
 */
const processesMax = 64;
/** Start times of one process differ only by the rounding of their digits. */
const sameSeconds = 0.01;

/**
 * Distinguishes restarts of an engine from several processes that share its port.
 *
 * Each worker of an API server reports its own start time, and a connection reaches any of them. So
 * a start time newer than all known ones may be that of a worker not seen before. It is a restart
 * if connections were refused before, which means that no process was there, or if the older ones
 * do not answer any more.
 */
export class StartTimes {
  /** Start times of processes that are assumed to answer, in no order. */
  #known: number[];
  /** Newer than all known ones: workers not seen before, or the engine after a restart. */
  #newer: number[] = [];
  #newerReports = 0;
  #wasRefused = false;
  #engineSeconds: number | undefined;

  /** @param engineSeconds start time found before, by another reader of the same endpoint */
  constructor(engineSeconds?: number) {
    this.#engineSeconds = engineSeconds;
    this.#known = engineSeconds === undefined ? [] : [engineSeconds];
  }

  /**
   * True if more reports are needed, over new connections: an open one may always reach the same
   * process.
   */
  get isUncertain(): boolean {
    return this.#newer.length > 0;
  }

  /** Notes a refused connection: no process listens. */
  refused(): void {
    this.#wasRefused = true;
  }

  /** Unix seconds at which the engine started, given its last report; grows only with a restart. */
  engineStart(reportedSeconds: number | undefined): number | undefined {
    if (reportedSeconds === undefined) return this.#engineSeconds;
    const wasRefused = this.#wasRefused;
    this.#wasRefused = false;
    if (this.#engineSeconds === undefined) {
      this.#known = [reportedSeconds];
      this.#engineSeconds = reportedSeconds;
      return reportedSeconds;
    }
    if (!isNewer(reportedSeconds, this.#known)) this.#noteOlder(reportedSeconds);
    else this.#noteNewer(reportedSeconds, wasRefused);
    return this.#engineSeconds;
  }

  /** An earlier process answers, so nothing has restarted. */
  #noteOlder(seconds: number): void {
    this.#known = withTime(this.#newer.reduce(withTime, this.#known), seconds);
    this.#newer = [];
    this.#newerReports = 0;
  }

  #noteNewer(seconds: number, wasRefused: boolean): void {
    this.#newer = withTime(this.#newer, seconds);
    this.#newerReports += 1;
    if (!wasRefused && this.#newerReports < restartReports) return;
    this.#known = this.#newer;
    this.#newer = [];
    this.#newerReports = 0;
    this.#engineSeconds = Math.max(...this.#known);
  }
}

function isNewer(seconds: number, known: readonly number[]): boolean {
  return known.every((each) => seconds > each + sameSeconds);
}

/** Drops the oldest beyond the maximum. */
function withTime(times: number[], seconds: number): number[] {
  if (times.some((each) => Math.abs(each - seconds) <= sameSeconds)) return times;
  return [...times, seconds].toSorted((a, b) => a - b).slice(-processesMax);
}
