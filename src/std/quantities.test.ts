import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseBytes, parseDurationMs } from "./quantities.ts";

describe("parseDurationMs", () => {
  it.each([
    ["0", 0],
    ["0s", 0],
    ["30s", 30_000],
    ["500ms", 500],
    ["1m30s", 90_000], // 60,000 + 30,000
    ["1h1m1s1ms", 3_661_001], // 3,600,000 + 60,000 + 1,000 + 1
    ["1.5s", 1_500],
    ["0.5m", 30_000],
    ["250us", 0.25],
    ["250µs", 0.25],
    ["2000000ns", 2],
  ])("reads %s", (text, ms) => {
    expect(parseDurationMs(text)).toBeCloseTo(ms, 9);
  });

  it.each([
    "",
    "30",
    "s",
    "-1s",
    "1 s",
    "1s ",
    "1d",
    "1S",
    "one",
    "1s500",
    "Infinity",
    "NaN",
    "1e3s",
  ])("takes %j for no duration", (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});

describe("parseBytes", () => {
  it.each([
    ["0", 0],
    ["4194304", 4_194_304],
    ["10b", 10],
    ["64MiB", 67_108_864], // 64 x 1,024^2
    ["64Mi", 67_108_864],
    ["64mib", 67_108_864],
    ["25MB", 25_000_000],
    ["25M", 25_000_000],
    ["1k", 1_000],
    ["1Ki", 1_024],
    ["2G", 2_000_000_000],
    ["2GiB", 2_147_483_648], // 2 x 1,024^3
    ["1.5KiB", 1_536],
    ["0.3KiB", 307], // 307.2, whole bytes
    [" 64 MiB ", 67_108_864],
  ])("reads %s", (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each([
    "",
    "MiB",
    "-1",
    "64XB",
    "64MiBs",
    "1e6",
    "0x10",
    "64 M iB",
    "1,000",
    "Infinity",
    "NaN",
  ])("takes %j for no size", (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });
});

describe.each([parseDurationMs, parseBytes])("%o", (parse) => {
  it("gives a number of at least 0, or nothing", () => {
    const quantity = fc
      .tuple(fc.double({ noNaN: true }), fc.constantFrom("s", "ms", "MiB", "k"))
      .map(([amount, unit]) => `${amount}${unit}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), quantity), (text) => {
        expect(parse(text) ?? 0).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
