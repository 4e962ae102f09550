import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withFields } from "./with-fields.ts";

const fields = new Map([["priority", 42]]);

describe("withFields", () => {
  it.each([
    [`{"model":"a"}`, `{"priority":42,"model":"a"}`],
    ["{}", `{"priority":42}`],
    [" {\n} ", ` {"priority":42\n} `],
    [`\ufeff{"a":1}`, `\ufeff{"priority":42,"a":1}`],
    // Of another object.
    [`{"a":{"priority":1}}`, `{"priority":42,"a":{"priority":1}}`],
    [`{"a":"\\"priority\\":1"}`, `{"priority":42,"a":"\\"priority\\":1"}`],
  ])("adds a field to %j", (body, expected) => {
    expect(Buffer.from(withFields(Buffer.from(body), fields)).toString()).toBe(expected);
  });

  it.each([
    `{"priority":7}`,
    `{"a":1,"priority":null}`,
    `{"priorit\\u0079":7}`,
    `[1]`,
    `"text"`,
    "",
  ])("leaves %j as it is", (body) => {
    const given = Buffer.from(body);
    expect(withFields(given, fields)).toBe(given);
  });

  it("adds those of several that are not there", () => {
    const both = new Map([
      ["priority", 1],
      ["other", -2.5],
    ]);
    const result = withFields(Buffer.from(`{"priority":3}`), both);
    expect(Buffer.from(result).toString()).toBe(`{"other":-2.5,"priority":3}`);
  });

  it("works within a larger buffer", () => {
    const whole = Buffer.from(`xx{"a":1}yy`);
    const result = withFields(whole.subarray(2, 9), fields);
    expect(Buffer.from(result).toString()).toBe(`{"priority":42,"a":1}`);
  });

  it("gives what a reader of JSON would get by setting the field first", () => {
    const anObject = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
    fc.assert(
      fc.property(anObject, fc.boolean(), (object, isIndented) => {
        const text = JSON.stringify(object, undefined, isIndented ? 2 : undefined);
        const result = Buffer.from(withFields(Buffer.from(text), fields)).toString();
        expect(JSON.parse(result)).toEqual(
          JSON.parse(
            `{"priority":42,${text.slice(text.indexOf("{") + 1)}`.replace(/,\s*\}$/u, "}"),
          ),
        );
      }),
    );
  });
});
