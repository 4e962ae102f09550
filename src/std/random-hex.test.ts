import { expect, it } from "vitest";
import { RandomHex } from "./random-hex.ts";

it("draws ids of the wanted length that do not repeat, beyond the bytes drawn at once", () => {
  const random = new RandomHex();
  const ids = Array.from({ length: 1_000 }, () => random.next(24));
  expect(ids.every((id) => /^[0-9a-f]{48}$/u.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(1_000);
});
