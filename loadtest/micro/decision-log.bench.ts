import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import { bodiesOf, deciderOf } from "./deciders.ts";

// What keeping a decision's record costs, in turns with a log that keeps nothing: medians of 41
// rounds of each, in microseconds a decision, prompts of 2 KB.
//   node loadtest/micro/decision-log.bench.ts

class NoLog extends DecisionLog {
  override record(): number {
    return 0;
  }
}

const rounds = 41;
const warmUpRounds = 10;
const bodies = bodiesOf(2_048);

function decisionUs(decide: () => void, decisions: number): number {
  const startMs = performance.now();
  for (let index = 0; index < decisions; index += 1) decide();
  return ((performance.now() - startMs) * 1_000) / decisions;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

for (const count of [8, 64, 256, 1_024]) {
  const decisions = count > 200 ? 500 : 3_000;
  const contestants = [new DecisionLog(), new NoLog()].map((log) => ({
    decide: deciderOf({ count, bodies, log }).decide,
    durationsUs: [] as number[],
  }));
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const inTurn = round % 2 === 0 ? contestants : contestants.toReversed();
    for (const { decide, durationsUs } of inTurn) durationsUs.push(decisionUs(decide, decisions));
  }
  const [kept = 0, notKept = 0] = contestants.map(({ durationsUs }) =>
    medianOf(durationsUs.slice(warmUpRounds)),
  );
  process.stdout.write(
    `${count} endpoints: ${kept.toFixed(1)} us with a record, ${notKept.toFixed(1)} us without\n`,
  );
}
