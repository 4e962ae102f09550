import type { ArmName } from "./paired-times.ts";

/** Ratios of error shares that the test bets on, each with the same part of its stake. */
const ratios = [1.5, 2, 4, 16];

/**
 * Tests if the shadow document has a larger share of errors than the document in force, and may be looked at after each request.
 *
 * If both have the same share, an error is one of the shadow's with a probability that is its part of the requests. A bet on each
 * error that it is one of the shadow's, at fair odds, then wins `1 / risk` times its stake with a probability of at most `risk`,
 * however long one plays (Ville's inequality).
 */
export class ErrorTest {
  readonly requests: Record<ArmName, number> = { inForce: 0, shadow: 0 };
  readonly errors: Record<ArmName, number> = { inForce: 0, shadow: 0 };
  readonly #stakes = ratios.map(() => 1 / ratios.length);

  add(arm: ArmName, isError: boolean): void {
    const { inForce, shadow } = this.requests;
    // Before this request; with one of each in advance, so that neither part is 0.
    const part = (shadow + 1) / (inForce + shadow + 2);
    this.requests[arm] += 1;
    if (!isError) return;
    this.errors[arm] += 1;
    for (const [index, ratio] of ratios.entries()) {
      const bet = (part * ratio) / (1 - part + part * ratio);
      const gain = arm === "shadow" ? bet / part : (1 - bet) / (1 - part);
      this.#stakes[index] = (this.#stakes[index] ?? 0) * gain;
    }
  }

  /** Times the stake that was won. */
  get won(): number {
    return this.#stakes.reduce((sum, stake) => sum + stake, 0);
  }

  /** Share of the shadow's errors minus that in force. */
  get rise(): number {
    const share = (arm: ArmName) => this.errors[arm] / Math.max(1, this.requests[arm]);
    return share("shadow") - share("inForce");
  }
}
