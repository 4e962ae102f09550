import type { RunRecord, Sent } from "./run.ts";

/** What a run came to. */
export interface Measures {
  readonly requests: number;
  readonly failed: number;
  /** Requests without a first token at the run's end; their time until then counts as their TTFT. */
  readonly unfinished: number;
  readonly ttftMeanS: number;
  readonly ttftP50S: number;
  readonly ttftP90S: number;
  readonly ttftP99S: number;
  /** From sending to the last token, of the requests that were answered. */
  readonly answerMeanS: number;
  readonly cachedTokensMean: number;
  /** Share of the requests by endpoint, in order. */
  readonly shares: readonly number[];
  readonly pickP99Ms: number;
  readonly pickerCpuMsPerRequest: number;
  readonly lateMsMost: number;
  readonly failures: Readonly<Record<string, number>>;
}

export function measuresOf(record: RunRecord, warmUpMs: number): Measures {
  const { hostPorts, endMs, pickerCpuMs, lateMsMost } = record;
  const sent = record.sent.filter(({ sentAtMs }) => sentAtMs >= warmUpMs);
  const failures: Record<string, number> = {};
  for (const { failure } of sent) {
    if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1;
  }
  const taken = sent.filter(({ failure }) => failure === undefined);
  const ttfts = taken
    .map(({ sentAtMs, firstTokenAtMs = endMs }) => (firstTokenAtMs - sentAtMs) / 1_000)
    .toSorted((a, b) => a - b);
  const answered = taken.filter(({ endedAtMs }) => endedAtMs !== undefined);
  const pickMs = taken.map((one) => one.pickMs ?? 0).toSorted((a, b) => a - b);
  return {
    requests: sent.length,
    failed: sent.length - taken.length,
    unfinished: taken.filter(({ firstTokenAtMs }) => firstTokenAtMs === undefined).length,
    ttftMeanS: meanOf(ttfts),
    ttftP50S: quantileOf(ttfts, 0.5),
    ttftP90S: quantileOf(ttfts, 0.9),
    ttftP99S: quantileOf(ttfts, 0.99),
    answerMeanS: meanOf(answered.map((one) => ((one.endedAtMs ?? 0) - one.sentAtMs) / 1_000)),
    cachedTokensMean: meanOf(answered.map(({ cachedTokens }) => cachedTokens ?? 0)),
    shares: hostPorts.map((hostPort) => shareOf(sent, hostPort)),
    pickP99Ms: quantileOf(pickMs, 0.99),
    pickerCpuMsPerRequest: pickerCpuMs / Math.max(1, record.sent.length),
    lateMsMost,
    failures,
  };
}

/** Of each measure the median over rounds. */
export function medianOf(rounds: readonly Measures[], of: (measures: Measures) => number): number {
  return quantileOf(
    rounds.map(of).toSorted((a, b) => a - b),
    0.5,
  );
}

function shareOf(sent: readonly Sent[], hostPort: string): number {
  return sent.filter((one) => one.hostPort === hostPort).length / Math.max(1, sent.length);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function quantileOf(sorted: readonly number[], quantile: number): number {
  return sorted[Math.floor(quantile * (sorted.length - 1))] ?? Number.NaN;
}
