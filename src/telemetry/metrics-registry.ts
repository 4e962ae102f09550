import { setImmediate as othersTurn } from "node:timers/promises";
import { Registry } from "prom-client";
import type { FamilyHead } from "./exposition.ts";
import { openMetricsEnd, openMetricsOf } from "./open-metrics.ts";
import { type OlderName, olderNameOf, underOlderName } from "./older-names.ts";

/** A family that keeps its own numbers, and may have too many series to write at once. */
export interface PiecewiseFamily extends FamilyHead {
  /**
   * The family as the page has it, and after it the same under its older name. A piece is all of one
   * series, such as the buckets, the sum and the count of a histogram.
   */
  pieces(older: OlderName | undefined, hasExemplars: boolean): Iterable<string>;
}

interface PageOptions {
  /** True for metrics under their older names too. */
  readonly hasOlderNames: boolean;
  /** True for OpenMetrics, with exemplars; the Prometheus text format without it. */
  readonly isOpenMetrics?: boolean;
}

/** Characters of a page written before decisions get their turn: less than 1 ms of work. */
const chunkCharacters = 131_072;
/** The same for families of prom-client, which it computes as they are written. */
const computedCharacters = 8_192;

/** The families of one process: those of prom-client, and the larger ones that write themselves. */
export class MetricsRegistry extends Registry {
  readonly #families: PiecewiseFamily[] = [];
  #lastTurn: Promise<void> = Promise.resolve();
  #readers = 0;

  register(family: PiecewiseFamily): void {
    this.#families.push(family);
  }

  /** The name of every family. */
  get names(): readonly string[] {
    return [...this.getMetricsAsArray(), ...this.#families].map(({ name }) => name);
  }

  /** Pages that have been begun and not read to their end. */
  get readers(): number {
    return this.#readers;
  }

  /** The whole page as one string, which may be large. */
  override async metrics(): Promise<string> {
    let page = "";
    for await (const chunk of this.chunks({ hasOlderNames: false })) page += chunk;
    return page;
  }

  /** The page in chunks. Between two of them everything else has its turn, readers of other pages too. */
  async *chunks({ hasOlderNames, isOpenMetrics = false }: PageOptions): AsyncGenerator<string> {
    this.#readers += 1;
    try {
      for await (const chunk of this.#chunks(hasOlderNames, isOpenMetrics)) {
        yield isOpenMetrics ? openMetricsOf(chunk) : chunk;
      }
      if (isOpenMetrics) yield openMetricsEnd;
    } finally {
      this.#readers -= 1;
    }
  }

  async *#chunks(hasOlderNames: boolean, hasExemplars: boolean): AsyncGenerator<string> {
    let text = "";
    for (const { name } of this.getMetricsAsArray()) {
      const family = `${await this.getSingleMetricAsString(name)}\n`;
      text += hasOlderNames ? family + underOlderName(family) : family;
      if (text.length < computedCharacters) continue;
      yield text;
      text = "";
      await this.#turn();
    }
    for (const family of this.#families) {
      const older = hasOlderNames ? olderNameOf(family.name) : undefined;
      for (const piece of family.pieces(older, hasExemplars)) {
        text += piece;
        if (text.length < chunkCharacters) continue;
        yield text;
        text = "";
        await this.#turn();
      }
    }
    yield text;
  }

  /** Resolves in a turn of the event loop that no other page has. */
  #turn(): Promise<void> {
    this.#lastTurn = this.#lastTurn.then(() => othersTurn());
    return this.#lastTurn;
  }
}
