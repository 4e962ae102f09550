import type { EngineSigns } from "./engine-signs.ts";

/** Readings in a row that were refused before the endpoint counts as refusing. */
const refusedMin = 2;
/** Readings in a row without an answer before the endpoint counts as out of reach. */
const failedMin = 2;

/**
 * Reachability of an endpoint, as its scrapes find it. An endpoint that never answered a scrape proves nothing: the address
 * may be wrong.
 */
export class Contact {
  /** Readings that were answered, ever; 0 for an endpoint that never answered. */
  answered = 0;
  #refused = 0;
  #silent = 0;
  #refusedBefore = 0;
  #silentBefore = 0;
  /** It has served well although it refuses to be read. */
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

  /** A request went well. */
  served(): void {
    if (this.refusedInRow > 0) this.#servesAnyway = true;
  }

  /** Readings refused since the last one that was answered; 0 where that means nothing. */
  get refusedInRow(): number {
    return this.answered === 0 ? 0 : this.#refused - this.#refusedBefore;
  }

  /** It answered before, refuses to be read now, and has not served well since. */
  get isRefusing(): boolean {
    return this.refusedInRow >= refusedMin && !this.#servesAnyway;
  }

  /** It answered before and does not now, refusing or silent. */
  get isOutOfReach(): boolean {
    return this.answered > 0 && this.refusedInRow + this.#silent - this.#silentBefore >= failedMin;
  }
}
