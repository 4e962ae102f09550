import { expect, it } from "vitest";
import * as buckets from "./buckets.ts";

it.each(Object.entries(buckets))("%s rise", (_name, bounds) => {
  expect(bounds.length).toBeGreaterThan(5);
  expect(bounds).toEqual([...new Set(bounds)].toSorted((a, b) => a - b));
});

it("request sizes go from 64 bytes to 1 GiB", () => {
  expect(buckets.requestByteBuckets.at(0)).toBe(64);
  expect(buckets.requestByteBuckets.at(-1)).toBe(1024 ** 3);
});
