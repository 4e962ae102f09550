import { describe, expect, it } from "vitest";
import { aLoad } from "#test/support/builders.ts";
import { type AttributeName, attributeColumn, mistakeInAttribute } from "./endpoint-attributes.ts";

const load = aLoad([
  { attributes: { "core-metrics-extractor/gpu": 1, "other/gpu": 2, "far/llm-d.ai/queue": 3 } },
  {},
]);
const valueOf = (name: AttributeName) => attributeColumn(name)(load)?.[0];

describe("an attribute of endpoints", () => {
  it("is that of core-metrics-extractor if no producer is named", () => {
    expect(valueOf({ attribute: "gpu" })).toBe(1);
  });

  it("is that of the producer that is named", () => {
    expect(valueOf({ attribute: "gpu", producer: "other" })).toBe(2);
    expect(valueOf({ attribute: "gpu", producer: "nobody" })).toBeUndefined();
  });

  it("is that of any producer if the name is empty", () => {
    expect(valueOf({ attribute: "gpu", producer: "" })).toBe(1);
    expect(valueOf({ attribute: "llm-d.ai/queue", producer: "" })).toBe(3);
    expect(valueOf({ attribute: "queue", producer: "" })).toBeUndefined();
  });

  it("is NaN if an endpoint has none", () => {
    expect(attributeColumn({ attribute: "gpu" })(load)?.[1]).toBeNaN();
  });
});

describe("the name of an attribute", () => {
  it.each([
    { attribute: "gpu" },
    { attribute: "gpu", producer: "other" },
    { attribute: "llm-d.ai/queue", producer: "" },
    { attribute: "llm-d.ai/queue", producer: "far" },
  ])("may be %j", (name) => {
    expect(mistakeInAttribute(name)).toBeUndefined();
  });

  it("is not empty", () => {
    expect(mistakeInAttribute({ attribute: "" })).toBe("must not be empty");
  });

  it("does not include its producer", () => {
    expect(mistakeInAttribute({ attribute: "GPUUtilization/dcgm-extractor" })).toBe(
      'has a "/" and no producer is given; for GPUUtilization of dcgm-extractor, set the two separately',
    );
  });
});
