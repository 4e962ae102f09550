/** A point of a line, with its weight against others. */
export interface WeightedPoint {
  readonly x: number;
  readonly y: number;
  readonly weight: number;
}

/** A straight line `y = a + b x` through points by weighted least squares; each new point fades the earlier ones. */
export class FadingLine {
  readonly #memory: number;
  #sum = 0;
  #sumX = 0;
  #sumXx = 0;
  #sumY = 0;
  #sumXy = 0;
  /** The line through the points so far; NaN until it is asked for. */
  #slope = Number.NaN;
  #start = 0;

  /**
   * @param memory weight of an earlier point against the next one, 0 to 1
   * @param prior points that are there from the start
   */
  constructor(memory: number, prior: readonly WeightedPoint[]) {
    this.#memory = memory;
    for (const point of prior) this.#add(point);
  }

  note(point: WeightedPoint): void {
    const memory = this.#memory;
    this.#sum *= memory;
    this.#sumX *= memory;
    this.#sumXx *= memory;
    this.#sumY *= memory;
    this.#sumXy *= memory;
    this.#add(point);
  }

  /** The value at `x`; neither the value at 0 nor the slope is negative. */
  at(x: number): number {
    if (Number.isNaN(this.#slope)) this.#fit();
    return this.#start + this.#slope * x;
  }

  #fit(): void {
    const meanX = this.#sumX / this.#sum;
    const meanY = this.#sumY / this.#sum;
    const spread = this.#sumXx / this.#sum - meanX * meanX;
    const joint = this.#sumXy / this.#sum - meanX * meanY;
    const slope = spread > 1e-9 * (1 + meanX * meanX) ? Math.max(0, joint / spread) : 0;
    const start = meanY - slope * meanX;
    // A line through the origin instead of one that starts below it.
    this.#slope = start >= 0 ? slope : this.#sumXy / this.#sumXx;
    this.#start = Math.max(0, start);
  }

  #add({ x, y, weight }: WeightedPoint): void {
    this.#slope = Number.NaN;
    this.#sum += weight;
    this.#sumX += weight * x;
    this.#sumXx += weight * x * x;
    this.#sumY += weight * y;
    this.#sumXy += weight * x * y;
  }
}
