import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withModel } from "./with-model.ts";

/** The body as text after a change to `model`. */
function rewritten(body: string, model = "new"): string | undefined {
  const result = withModel(Buffer.from(body), model, "chat");
  return result && Buffer.from(result).toString();
}

/** A body that is too large for a plain scan, with `model` at either end. */
const long = JSON.stringify([{ model: "no", text: '"model":"no"\\"'.repeat(50) }, "model"]);

describe("withModel", () => {
  it.each([
    ['{"model":"old"}', '{"model":"new"}'],
    [
      '{ "a" : 1e2 , "model"\t:\n"old" , "b" : [ ] } ',
      '{ "a" : 1e2 , "model"\t:\n"new" , "b" : [ ] } ',
    ],
    ['{"model":""}', '{"model":"new"}'],
    ['{"model":null,"a":1}', '{"model":"new","a":1}'],
    ['{"model":{"model":"a"},"b":1}', '{"model":"new","b":1}'],
    ['{"model":12345678901234567890}', '{"model":"new"}'],
    ['{"model":"a\\"}b"}', '{"model":"new"}'],
    ['{"model":"a\\\\"}', '{"model":"new"}'],
    ['{"id":12345678901234567890,"model":"a"}', '{"id":12345678901234567890,"model":"new"}'],
  ])("puts the name into %j", (body, expected) => {
    expect(rewritten(body)).toBe(expected);
  });

  it.each([
    ['{"a":{"model":"a"},"model":"b"}', '{"a":{"model":"a"},"model":"new"}'],
    ['{"model":"b","a":[{"model":"a"}]}', '{"model":"new","a":[{"model":"a"}]}'],
    ['{"a":"model","model":"b"}', '{"a":"model","model":"new"}'],
    ['{"a":"\\"model\\":1","model":"b"}', '{"a":"\\"model\\":1","model":"new"}'],
    ['{"x\\"model":1,"model":"b"}', '{"x\\"model":1,"model":"new"}'],
    [
      '{"models":1,"mode":2,"Model":3,"model":"b"}',
      '{"models":1,"mode":2,"Model":3,"model":"new"}',
    ],
    [`{"a":${long},"model":"b"}`, `{"a":${long},"model":"new"}`],
    [`{"model":"b","a":${long}}`, `{"model":"new","a":${long}}`],
  ])("keeps text that only looks like the key in %j", (body, expected) => {
    expect(rewritten(body)).toBe(expected);
  });

  it.each([
    ["{}", '{"model":"new"}'],
    ["{ }", '{"model":"new" }'],
    [' {"a":1}', ' {"model":"new","a":1}'],
    ['{"a":{"model":"a"}}', '{"model":"new","a":{"model":"a"}}'],
    [`{"a":${long}}`, `{"model":"new","a":${long}}`],
  ])("inserts the name first into %j, which has none", (body, expected) => {
    expect(rewritten(body)).toBe(expected);
  });

  it("replaces all duplicate keys, so that it does not matter which one an engine uses", () => {
    expect(rewritten('{"model":"a","b":{"model":"x"},"model":"c"}')).toBe(
      '{"model":"new","b":{"model":"x"},"model":"new"}',
    );
  });

  it.each(["mod\\u0065l", "\\u006dodel", "mode\\u006C", "\\u006d\\u006f\\u0064\\u0065\\u006c"])(
    "knows the key %s",
    (key) => {
      expect(rewritten(`{"${key}":"a","b":1}`)).toBe(`{"${key}":"new","b":1}`);
      expect(rewritten(`{"a":{"${key}":"a"}}`)).toBe(`{"model":"new","a":{"${key}":"a"}}`);
    },
  );

  it("skips a byte order mark, and keeps it", () => {
    expect(rewritten('\ufeff{"model":"a"}')).toBe('\ufeff{"model":"new"}');
    expect(rewritten("\ufeff{}")).toBe('\ufeff{"model":"new"}');
  });

  it("writes any name as JSON", () => {
    expect(rewritten('{"model":"a"}', 'ü"\\\n')).toBe('{"model":"ü\\"\\\\\\n"}');
  });

  it("keeps bytes that are not UTF-8", () => {
    const body = Buffer.concat([
      Buffer.from('{"a":"'),
      Buffer.from([0xff, 0xc3]),
      Buffer.from('"}'),
    ]);
    const expected = Buffer.concat([Buffer.from('{"model":"new",'), body.subarray(1)]);
    expect(withModel(body, "new", "chat")).toEqual(expected);
  });

  it("takes a view that begins inside its buffer, and does not change it", () => {
    const whole = new TextEncoder().encode('xx{"model":"a"}yy');
    const result = withModel(whole.subarray(2, 15), "new", "completions");
    expect(result && Buffer.from(result).toString()).toBe('{"model":"new"}');
    expect(Buffer.from(whole).toString()).toBe('xx{"model":"a"}yy');
  });

  it.each(["", " ", "[]", '"model"', "null", '[{"model":"a"}]'])("does not change %j", (body) => {
    expect(rewritten(body)).toBeUndefined();
  });

  it("does not change a body of the dialect passthrough", () => {
    expect(withModel(Buffer.from('{"model":"a"}'), "new", "passthrough")).toBeUndefined();
  });

  it.each([
    ['{"lora_path":"a","model":"b"}', '{"lora_path":"new","model":"b"}'],
    ['{"lora_path":["a","a"]}', '{"lora_path":"new"}'],
    ['{"lora_path":null,"model":"b"}', '{"lora_path":null,"model":"new"}'],
    ['{"lora_path":null,"model":null}', '{"lora_path":null,"model":"new"}'],
    ['{"lora\\u005fpath":"a"}', '{"lora\\u005fpath":"new"}'],
    ['{"text":"a"}', '{"model":"new","text":"a"}'],
  ])("names the adapter of SGLang's %j", (body, expected) => {
    const result = withModel(Buffer.from(body), "new", "sglang-generate");
    expect(result && Buffer.from(result).toString()).toBe(expected);
    expect(withModel(Buffer.from('{"lora_path":"a"}'), "new", "chat")).toEqual(
      Buffer.from('{"model":"new","lora_path":"a"}'),
    );
  });

  it("survives nesting of 100,000 levels", () => {
    const deep = '{"model":'.repeat(100_000) + "1" + "}".repeat(100_000);
    expect(rewritten(`{"a":${deep}}`)).toBe(`{"model":"new","a":${deep}}`);
  });
});

/** JSON values with models in keys and text, as text with or without line ends. */
const valueText = fc
  .tuple(
    fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: "medium" },
        fc.jsonValue({ maxDepth: 1, noUnicodeString: false }),
        fc.constantFrom("model", '"model":"x"', '\\"model":', "\\", "}", "[{", "x".repeat(200)),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom("model", "a", '"'), tie("value"), { maxKeys: 3 }),
      ),
    })).value,
    fc.constantFrom(undefined, "\t"),
  )
  .map(([value, indent]) => JSON.stringify(value, undefined, indent));

const keyText = fc.oneof(
  fc.constantFrom(
    '"model"',
    '"mod\\u0065l"',
    '"\\u006Dodel"',
    '"x\\"model"',
    '"models"',
    '"a\\\\"',
  ),
  fc.string({ unit: "binary" }).map((key) => JSON.stringify(key)),
);

const space = fc.constantFrom("", "", " ", "\r\n\t");

/** The members of an object, each as the texts `key`, `gap` (with the colon) and `value`. */
const members = fc.array(
  fc.record({
    key: keyText,
    gap: fc.tuple(space, space).map(([before, after]) => `${before}:${after}`),
    value: valueText,
    after: space,
  }),
  { maxLength: 6 },
);

const isName = ({ key }: { key: string }) => JSON.parse(key) === "model";

describe("a body changed to another model", () => {
  it("is the same text except for the values of `model`, or the inserted first member", () => {
    const anyModel = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(members, space, anyModel, (parts, before, model) => {
        const name = JSON.stringify(model);
        const textOf = (value: (part: (typeof parts)[number]) => string) =>
          parts.map((part) => part.key + part.gap + value(part) + part.after).join(",");
        const body = `${before}{${before}${textOf(({ value }) => value)}}${before}`;
        const inserted = parts.length === 0 ? `"model":${name}` : `"model":${name},`;
        const expected = parts.some(isName)
          ? `${before}{${before}${textOf((part) => (isName(part) ? name : part.value))}}${before}`
          : `${before}{${inserted}${body.slice(before.length + 1)}`;
        expect(rewritten(body, model)).toBe(expected);
        // An own `__proto__` is a key like any other.
        expect(JSON.parse(expected)).toEqual(
          Object.fromEntries([...Object.entries(JSON.parse(body)), ["model", model]]),
        );
      }),
      { numRuns: 3_000 },
    );
  });

  it("never fails, for any bytes", () => {
    const soup = fc
      .array(
        fc.constantFrom(...Array.from('{}[]:,"\\ \n1ne'), '"model"', "model", "\\u006d", "null"),
      )
      .map((pieces) => Buffer.from(pieces.join("")));
    fc.assert(
      fc.property(fc.oneof(soup, fc.uint8Array()), fc.boolean(), (body, isSglang) => {
        const result = withModel(body, "new", isSglang ? "sglang-generate" : "chat");
        expect(result?.byteLength ?? body.byteLength).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 3_000, examples: [[Buffer.from('{"a":"\\'), false]] },
    );
  });
});
