import fc from "fast-check";
import { expect, it } from "vitest";
import type { Endpoint } from "../../src/core/endpoint.ts";
import type { DataProducer } from "../../src/core/data-plane-plugin.ts";
import { aContext, aLoad, aRequest, endpoints } from "#test/support/builders.ts";
import { aPool } from "#test/support/pools.ts";

/** What every producer owes the scheduler, whatever it finds out. */
export function itKeepsTheDataProducerContract(producer: DataProducer): void {
  it("never throws, whatever broken engines report", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        expect(() => producer.produce(aContext({ request, load }), candidates)).not.toThrow();
      }),
    );
  });

  it("works for no candidates and a thousand", () => {
    const rows = endpoints(1_000).map(() => ({}));
    expect(() => producer.produce(aContext(), [])).not.toThrow();
    const context = aContext({ load: aLoad(rows) });
    expect(() => producer.produce(context, endpoints(1_000))).not.toThrow();
  });

  it("works for a request without a prompt", () => {
    const context = aContext({ request: aRequest({ prompts: [], promptTokens: 0 }) });
    expect(() => producer.produce(context, [])).not.toThrow();
  });

  it("changes neither the candidates nor the load", () => {
    fc.assert(
      fc.property(aPool, ({ request, load, candidates }) => {
        const frozen: readonly Endpoint[] = Object.freeze([...candidates]);
        const loadBefore = structuredClone(load);
        producer.produce(aContext({ request, load }), frozen);
        expect(load).toEqual(loadBefore);
      }),
    );
  });
}
