import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TokenLedger } from "./token-ledger.ts";

describe("the token ledger", () => {
  it("adds up open counts by slot, and returns to 0", () => {
    const adding = fc.record({ slot: fc.nat({ max: 300 }), tokens: fc.nat({ max: 1_000_000 }) });
    fc.assert(
      fc.property(fc.array(adding, { maxLength: 50 }), (all) => {
        const ledger = new TokenLedger();
        const releases = all.map(({ slot, tokens }) => ledger.add(slot, tokens));
        for (const { slot } of all) {
          const sum = all.filter((each) => each.slot === slot);
          expect(ledger.tokens(slot)).toBe(sum.reduce((total, { tokens }) => total + tokens, 0));
        }
        for (const release of releases) {
          release();
          release();
        }
        for (const { slot } of all) expect(ledger.tokens(slot)).toBe(0);
      }),
    );
  });

  it.each([Number.NaN, -5, Infinity])("stays a number after adding %d", (tokens) => {
    const ledger = new TokenLedger();
    const release = ledger.add(1, tokens);
    expect(ledger.tokens(1)).toBeGreaterThanOrEqual(0);
    release();
    expect(ledger.tokens(1)).toBe(0);
  });

  it("has 0 for an unknown slot", () => {
    expect(new TokenLedger().tokens(4_095)).toBe(0);
  });
});
