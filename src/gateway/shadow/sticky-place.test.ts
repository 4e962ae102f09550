import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { aHead, aRequest } from "#test/support/builders.ts";
import type { InferenceRequest } from "../../core/request.ts";
import { conversationPlace } from "./sticky-place.ts";

const texts = (...parts: readonly string[]) => [
  parts.map((text) => ({ kind: "text" as const, text })),
];

/** A turn of a chat: the opening is the system prompt and the user's first message. */
const aTurn = (user: string, later: readonly string[] = []): InferenceRequest =>
  aRequest({ prompts: texts("You are helpful.", user, ...later), openingParts: 2 });

describe("conversationPlace", () => {
  it("is the same for every turn of a conversation, with or without a session", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), fc.nat(), (user, later, salt) => {
        expect(conversationPlace(aTurn(user, later), salt)).toBe(
          conversationPlace(aTurn(user), salt),
        );
        const head = aHead({ headers: new Map([["x-session-id", user || "s"]]) });
        const named = (parts: readonly string[]) =>
          conversationPlace(aRequest({ head, prompts: texts(...parts) }), salt);
        expect(named(later)).toBe(named(["first"]));
      }),
    );
  });

  it("spreads conversations evenly", () => {
    const count = 4_000;
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let each = 0; each < count; each += 1) {
      const place = conversationPlace(aTurn(`question ${each}`), 0);
      expect(place).toBeLessThan(1);
      tenths[Math.floor(place * 10)] = (tenths[Math.floor(place * 10)] ?? 0) + 1;
    }
    // 400 each, give or take five standard deviations of 19.
    for (const tenth of tenths) expect(Math.abs(tenth - 400)).toBeLessThan(95);
  });

  it("makes another choice with another salt", () => {
    const both = Array.from({ length: 1_000 }, (_, each) => aTurn(`question ${each}`)).filter(
      (turn) => conversationPlace(turn, 1) < 0.1 && conversationPlace(turn, 2) < 0.1,
    );
    // 1 % of them by chance.
    expect(both.length).toBeLessThan(30);
  });
});
