/** Reports in a row, each over a connection of its own, in which no older process answers: a restart. */
const restartReports = 16;
/** Processes that are told apart behind one port; more API server processes are not started for one engine. */
const processesMax = 64;
/** A start time is a constant of its process, but for how its digits are written. */
const sameSeconds = 0.01;

/**
 * Distinguishes restarts of an engine from several processes that share its port.
 *
 * Workers of an API server report a start time each, and a connection reaches any of them: a start time that is newer than
 * all known ones may be that of a worker not met before. It is a restart if connections were refused before, which means that no
 * process was there, or if the older ones do not answer any more.
 */
export class StartTimes {
  /** Of processes that are believed to answer, in no order. */
  #known: number[];
  /** Newer than all known ones: workers not met before, or the engine after a restart. */
  #newer: number[] = [];
  #newerReports = 0;
  #wasRefused = false;
  #engineSeconds: number | undefined;

  /** @param engineSeconds what was found before, by another reader of the same endpoint */
  constructor(engineSeconds?: number) {
    this.#engineSeconds = engineSeconds;
    this.#known = engineSeconds === undefined ? [] : [engineSeconds];
  }

  /** More reports are needed, over new connections: the one that is open may always reach the same process. */
  get isUncertain(): boolean {
    return this.#newer.length > 0;
  }

  /** A connection was refused: no process listens. */
  refused(): void {
    this.#wasRefused = true;
  }

  /** Unix seconds at which the engine started, given what its last report says; grows with each restart alone. */
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

  /** A process that was there before answers, so nothing has restarted. */
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

/** Beyond the most that are kept, the oldest is forgotten. */
function withTime(times: number[], seconds: number): number[] {
  if (times.some((each) => Math.abs(each - seconds) <= sameSeconds)) return times;
  return [...times, seconds].toSorted((a, b) => a - b).slice(-processesMax);
}
