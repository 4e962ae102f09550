/** One load: what is asked, and by how many at a time. */
export interface Cell {
  readonly isStream: boolean;
  readonly bodyBytes: number;
  readonly connections: number;
}

/** Every combination, whole answers first. */
export function cellsOf(options: {
  readonly answers: readonly ("plain" | "sse")[];
  readonly bodyBytes: readonly number[];
  readonly connections: readonly number[];
}): readonly Cell[] {
  return options.answers.flatMap((answer) =>
    options.bodyBytes.flatMap((bodyBytes) =>
      options.connections.map((connections) => ({
        isStream: answer === "sse",
        bodyBytes,
        connections,
      })),
    ),
  );
}

export function answerOf({ isStream }: Cell): string {
  return isStream ? "SSE" : "plain";
}

export function textOf(cell: Cell): string {
  return `${answerOf(cell)}, ${sizeOf(cell)}, ${cell.connections} connections`;
}

export function sizeOf({ bodyBytes }: Cell): string {
  return bodyBytes % 1_024 === 0 ? `${bodyBytes / 1_024} KB` : `${bodyBytes} B`;
}
