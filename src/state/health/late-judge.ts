import type { EjectionEvidence, HealthSettings } from "../../core/health-settings.ts";
import { Comparisons } from "./comparisons.ts";
import { type HealthRow, othersOf } from "./health-row.ts";
import { latenessOf, othersMax } from "./late-answers.ts";
import { latenessOfRun } from "./late-run.ts";

/** Cause of a judgement: an answer, or a look at all endpoints. Each has a bound of its own, so that answers leave room for silence. */
type Cause = "answer" | "look";

/** Judges the times of endpoints against those of the others, a few in each moment. */
export class LateJudge {
  readonly #rows: ReadonlyMap<number, HealthRow>;
  readonly #settings: () => HealthSettings;
  readonly #comparisons = { answer: new Comparisons(), look: new Comparisons() };
  /** The first endpoint since the last look for which no room was left. */
  #leftOut: HealthRow | undefined;

  constructor(rows: ReadonlyMap<number, HealthRow>, settings: () => HealthSettings) {
    this.#rows = rows;
    this.#settings = settings;
  }

  /** True if an answer may cause a judgement now. */
  hasRoom(nowMs: number): boolean {
    return this.#comparisons.answer.hasRoom(this.#othersRead, nowMs);
  }

  /** Evidence of the last answers; undefined without any. `isSure`: true to compare even if there is no room for it. */
  ofAnswers(
    row: HealthRow,
    { answersMin, isSure }: { readonly answersMin: number; readonly isSure: boolean },
    nowMs: number,
  ): EjectionEvidence | undefined {
    const factorMax = this.#settings().ttftFactorMax;
    if (factorMax === 0) return undefined;
    const others = () =>
      isSure ? othersOf(row, this.#rows) : this.#othersFor(row, "answer", nowMs);
    return latenessOf(row, others, { factorMax, answersMin, nowMs });
  }

  /** Evidence of a few answers in a row, and of requests that wait; undefined without any. */
  ofRun(row: HealthRow, cause: Cause, nowMs: number): EjectionEvidence | undefined {
    const factorMax = this.#settings().ttftFactorMax;
    if (factorMax === 0) return undefined;
    const others = () => this.#othersFor(row, cause, nowMs)?.filter(({ isAway }) => !isAway);
    return latenessOfRun(row, others, { factorMax, answersMin: 0, nowMs });
  }

  /** All endpoints, first those for which no room was left in the last look. */
  inTurn(): readonly HealthRow[] {
    const rows = [...this.#rows.values()];
    const first = this.#leftOut === undefined ? -1 : rows.indexOf(this.#leftOut);
    this.#leftOut = undefined;
    return first < 1 ? rows : [...rows.slice(first), ...rows.slice(0, first)];
  }

  get #othersRead(): number {
    return Math.min(this.#rows.size - 1, othersMax);
  }

  #othersFor(row: HealthRow, cause: Cause, nowMs: number): readonly HealthRow[] | undefined {
    const comparisons = this.#comparisons[cause];
    if (!comparisons.hasRoom(this.#othersRead, nowMs)) {
      if (cause === "look") this.#leftOut ??= row;
      return undefined;
    }
    comparisons.note(this.#othersRead);
    return othersOf(row, this.#rows);
  }
}
