/** A band, as the shares see it. */
interface SharingBand {
  readonly priority: number;
  readonly size: number;
  readonly asideCount: number;
  /** `guaranteedShare`: 0 for none. */
  readonly plan: { readonly guaranteedShare: number };
}

/**
 * The shares of bands that must not starve. While such a band has requests that may be sent, it is owed its share of the prompt
 * tokens that all bands send, and one that is owed any is served before those above it.
 *
 * The debts of bands that always wait do not grow together: what is sent while any is positive pays as much off as it adds.
 */
export class BandShares<Band extends SharingBand> {
  /** Tokens that a band is owed; negative after a request that cost more. */
  readonly #owed = new WeakMap<Band, number>();
  /** Bands that were served by their share in this look through the queue, without a request that could be sent. */
  readonly #tried = new Set<Band>();
  #picked: Band | undefined;

  /** The band whose share has precedence now, above this priority; undefined if none has. `bands`: all of them. */
  next(bands: readonly Band[], abovePriority: number): Band | undefined {
    let next: Band | undefined;
    let most = 0;
    for (const band of bands) {
      if (band.priority <= abovePriority) break;
      const owed = this.#owed.get(band) ?? 0;
      if (owed > most && isReady(band) && !this.#tried.has(band)) [next, most] = [band, owed];
    }
    return (this.#picked = next);
  }

  /** True if this band had its last turn by its share. */
  isPicked(band: Band): boolean {
    return this.#picked === band;
  }

  /** The request that was picked last could not be sent: the others have their turn in this look. */
  unsent(): void {
    if (this.#picked !== undefined) this.#tried.add(this.#picked);
    this.#picked = undefined;
  }

  /** A look through the queue has ended. */
  end(): void {
    this.#tried.clear();
    this.#picked = undefined;
  }

  /** Counts a request that has left a band. */
  sent(bands: readonly Band[], from: Band, tokens: number): void {
    for (const band of bands) {
      const { guaranteedShare } = band.plan;
      if (guaranteedShare === 0) continue;
      const cost = band === from ? tokens : 0;
      const owed = (this.#owed.get(band) ?? 0) + guaranteedShare * tokens - cost;
      // Nothing is saved up for the time after it was empty.
      this.#owed.set(band, isReady(band) ? owed : Math.min(owed, 0));
    }
  }
}

function isReady({ size, asideCount }: SharingBand): boolean {
  return size > asideCount;
}
