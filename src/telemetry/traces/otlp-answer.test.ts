import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acceptedBy, retryDelayMsIn } from "./otlp-answer.ts";

/** A field of bytes. */
const field = (number: number, value: Buffer) =>
  Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
const number = (fieldNumber: number, value: number) => Buffer.from([fieldNumber << 3, value]);

describe("the answer to a batch", () => {
  it("says how many spans were not taken, and why", () => {
    const partial = Buffer.concat([number(1, 3), field(2, Buffer.from("too\nold"))]);
    expect(acceptedBy(field(1, partial))).toEqual({
      kind: "accepted",
      rejectedSpans: 3,
      message: "too old",
    });
  });

  it("takes all spans if it says nothing", () => {
    expect(acceptedBy(Buffer.alloc(0))).toMatchObject({ rejectedSpans: 0, message: "" });
  });

  it("may be any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { kind, ...rest } = acceptedBy(Buffer.from(bytes));
        expect(kind).toBe("accepted");
        expect(rest).toMatchObject({ rejectedSpans: expect.any(Number) });
        expect(JSON.stringify(rest).length).toBeLessThan(600);
        const delayMs = retryDelayMsIn(Buffer.from(bytes).toString("base64"));
        expect(delayMs ?? 0).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1_000 },
    );
  });
});

const detail = (type: string, value: Buffer) =>
  field(3, Buffer.concat([field(1, Buffer.from(`type.googleapis.com/${type}`)), field(2, value)]));
const retryInfo = (seconds: number, nanos: number) =>
  field(1, Buffer.concat([number(1, seconds), number(2, nanos)]));

describe("the details of a gRPC status", () => {
  it("have the delay of a RetryInfo, after other details", () => {
    const status = Buffer.concat([
      number(1, 8),
      detail("google.rpc.DebugInfo", Buffer.from("x")),
      detail("google.rpc.RetryInfo", retryInfo(7, 100)),
    ]);
    expect(retryDelayMsIn(status.toString("base64"))).toBeCloseTo(7_000.0001, 6);
  });

  it("have none without a RetryInfo", () => {
    expect(retryDelayMsIn(undefined)).toBeUndefined();
    const other = detail("google.rpc.DebugInfo", Buffer.from("x")).toString("base64");
    expect(retryDelayMsIn(other)).toBeUndefined();
  });
});
