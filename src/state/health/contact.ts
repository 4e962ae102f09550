import type { EngineSigns } from "./engine-signs.ts";

/** Refused scrapes in a row before the endpoint counts as refusing. */
const refusedMin = 2;
/** Scrapes in a row without an answer before the endpoint counts as out of reach. */
const failedMin = 2;

/**
 * Reachability of an endpoint, as its scrapes find it. An endpoint that never answered a scrape
 * proves nothing: the address may be wrong.
 */
export class Contact {
  /** Scrapes that were ever answered; 0 for an endpoint that never answered. */
  answered = 0;
  #refused = 0;
  #silent = 0;
  #refusedBefore = 0;
  #silentBefore = 0;
  /** True if it has served well although it refuses scrapes. */
  #servesAnyway = false;

  look(slot: number, signs: EngineSigns): void {
    const { answered, refused, silent } = signs.contactsOf(slot);
    if (answered !== this.answered) {
      this.answered = answered;
      this.#refusedBefore = refused;
      this.#silentBefore = silent;
      this.#servesAnyway = false;
    }
    this.#refused = refused;
    this.#silent = silent;
  }

  /** Notes a request that succeeded. */
  served(): void {
    if (this.refusedInRow > 0) this.#servesAnyway = true;
  }

  /**
   * Scrapes refused since the last answered one; 0 if none was ever answered, since refusals then
   * have no meaning.
   */
  get refusedInRow(): number {
    return this.answered === 0 ? 0 : this.#refused - this.#refusedBefore;
  }

  /** True if it answered before, refuses scrapes now, and has not served well since. */
  get isRefusing(): boolean {
    return this.refusedInRow >= refusedMin && !this.#servesAnyway;
  }

  /** True if it answered before and does not now, refusing or silent. */
  get isOutOfReach(): boolean {
    return this.answered > 0 && this.refusedInRow + this.#silent - this.#silentBefore >= failedMin;
  }
}
