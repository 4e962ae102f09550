import { describe, expect, it } from "vitest";
import { KeyedHashes } from "./keyed-hashes.ts";

describe("hashes of names", () => {
  it("are equal for equal names, also after more names than are kept", () => {
    const hashes = new KeyedHashes();
    const before = ["team-a", "team-b", "x".repeat(10_000)].map((name) => hashes.name(name));
    for (let index = 0; index < 1_500; index += 1) hashes.name(`tenant-${index}`);
    expect(["team-a", "team-b", "x".repeat(10_000)].map((name) => hashes.name(name))).toEqual(
      before,
    );
    expect(new Set(before).size).toBe(3);
  });

  it("are others in another recording", () => {
    expect(new KeyedHashes().name("team-a")).not.toBe(new KeyedHashes().name("team-a"));
  });
});
