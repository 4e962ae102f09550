/** One load: what is asked, and by how many at a time. */
export interface Cell {
  readonly isStream: boolean;
  readonly bodyBytes: number;
  readonly connections: number;
  /** Requests that arrive a second, at random moments; 0 if each connection sends its next one after an answer. */
  readonly ratePerSecond: number;
}

/** Every combination, whole answers first. */
export function cellsOf(options: {
  readonly answers: readonly ("plain" | "sse")[];
  readonly bodyBytes: readonly number[];
  readonly connections: readonly number[];
  readonly rates: readonly number[];
}): readonly Cell[] {
  return options.answers.flatMap((answer) =>
    options.bodyBytes.flatMap((bodyBytes) =>
      options.connections.flatMap((connections) =>
        options.rates.map((ratePerSecond) => ({
          isStream: answer === "sse",
          bodyBytes,
          connections,
          ratePerSecond,
        })),
      ),
    ),
  );
}

export function answerOf({ isStream }: Cell): string {
  return isStream ? "SSE" : "plain";
}

export function textOf(cell: Cell): string {
  return `${answerOf(cell)}, ${sizeOf(cell)}, ${connectionsOf(cell)} connections`;
}

/** `16`, or `16 at 500/s`. */
export function connectionsOf({ connections, ratePerSecond }: Cell): string {
  return ratePerSecond === 0 ? String(connections) : `${connections} at ${ratePerSecond}/s`;
}

export function sizeOf({ bodyBytes }: Cell): string {
  return bodyBytes % 1_024 === 0 ? `${bodyBytes / 1_024} KB` : `${bodyBytes} B`;
}
