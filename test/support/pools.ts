import fc from "fast-check";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { LoadSnapshot } from "../../src/core/load.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import { aLoad, anEndpoint, aRequest, type LoadRow, someAdapters } from "#test/support/builders.ts";

/** What a scheduling plugin sees. */
export interface Pool {
  readonly request: InferenceRequest;
  readonly candidates: readonly Endpoint[];
  readonly load: LoadSnapshot;
}

/** An attribute that some rows of a pool have. */
export const anAttribute = "core-metrics-extractor/gpu";

const adapterName = fc.constantFrom("llama", "lora-a", "lora-b", "lora-c");

/** Anything an engine may claim: sane numbers, and what a broken one sends. */
const signal = fc.oneof(
  { weight: 4, arbitrary: fc.nat({ max: 200 }) },
  { weight: 2, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity, -1, -0) },
  { weight: 1, arbitrary: fc.constantFrom(Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE) },
);

const adapterState = fc
  .record({
    active: fc.uniqueArray(adapterName),
    waiting: fc.uniqueArray(adapterName),
    adaptersMax: fc.oneof(fc.nat({ max: 5 }), fc.constantFrom(Number.NaN, Infinity, -1)),
  })
  .map(someAdapters);

/** One endpoint's load, any part of which may be missing. In-flight counts are ours, so they are sane. */
const loadRow: fc.Arbitrary<LoadRow> = fc.record(
  {
    waitingRequests: signal,
    runningRequests: signal,
    kvCacheUsedRatio: signal,
    signalsAtMs: signal,
    blockTokens: signal,
    blocksMax: signal,
    inFlightRequests: fc.nat({ max: 500 }),
    inFlightTokens: fc.nat({ max: 5_000_000 }),
    adapters: adapterState,
    attributes: fc.record({ [anAttribute]: signal }),
  },
  { requiredKeys: [] },
);

/** Labels that plugins read, some of them broken. */
const labels = fc.record(
  {
    "llm-d.ai/context-length-range": fc.constantFrom("0-100", "2-2", "5-90000", "9-1", "", "all"),
    "topology.kubernetes.io/zone": fc.constantFrom("a", "b", ""),
  },
  { requiredKeys: [] },
);

/** Some of the endpoints that these rows tell of, with labels. */
function candidatesOf(rows: readonly LoadRow[]): fc.Arbitrary<Endpoint[]> {
  return fc
    .tuple(...rows.map((_, slot) => labels.map((each) => anEndpoint({ slot, labels: each }))))
    .chain((endpoints) => fc.shuffledSubarray(endpoints));
}

/** Some of the endpoints of a pool, in any order, so that slots and positions differ. */
export const aPool: fc.Arbitrary<Pool> = fc.array(loadRow, { maxLength: 24 }).chain((rows) =>
  fc.record({
    request: adapterName.map((model) => aRequest({ model })),
    candidates: candidatesOf(rows),
    load: fc.constant(aLoad(rows)),
  }),
);
