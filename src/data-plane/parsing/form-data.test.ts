import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formFieldsIn } from "./form-data.ts";

const crlf = "\r\n";
const field = (value: string, headers = 'Content-Disposition: form-data; name="model"') =>
  `--b${crlf}${headers}${crlf}${crlf}${value}${crlf}`;
const file = (content: string) =>
  field(
    content,
    `Content-Disposition: form-data; name="file"; filename="a.wav"${crlf}Content-Type: audio/wav`,
  );
const formEnd = `--b--${crlf}`;

/** The values of the fields named `model`; undefined if the body is not a form. */
function modelsIn(body: string | Buffer, boundary = "b"): string[] | undefined {
  return formFieldsIn(Buffer.from(body), boundary, ["model"])?.fields.map(({ value }) => value);
}

describe("formFieldsIn", () => {
  it.each([
    ["before a file", field("m") + file("RIFF") + formEnd],
    ["after a file", file("RIFF") + field("m") + formEnd],
    ["alone", field("m") + formEnd],
    ["without an end of line after the last delimiter", `${field("m")}--b--`],
    ["after a preamble", `no part${crlf}${field("m")}${formEnd}epilogue`],
    ["with blanks after the delimiter", `--b \t${crlf}${field("m").slice(5)}${formEnd}`],
    [
      "with a name that is no string",
      field("m", "content-disposition:form-data;name=model") + formEnd,
    ],
    ["in capitals", field("m", 'CONTENT-DISPOSITION: Form-Data; NAME="model"') + formEnd],
    [
      "with more headers",
      field(
        "m",
        `Content-Type: text/plain; charset=utf-8${crlf}Content-Disposition: form-data; name="model"${crlf}Content-Length: 1`,
      ) + formEnd,
    ],
    [
      "with a folded header",
      field("m", `Content-Disposition: form-data;${crlf}\tname="model"`) + formEnd,
    ],
    [
      "with an encoding that is none",
      field(
        "m",
        `Content-Disposition: form-data; name="model"${crlf}Content-Transfer-Encoding: 8bit`,
      ) + formEnd,
    ],
    [
      "with escapes in its name",
      field("m", 'Content-Disposition: form-data; name="mo\\del"') + formEnd,
    ],
    [
      "beside a file that holds a form",
      file(`--bb${crlf}Content-Disposition: form-data; name="model"${crlf}${crlf}x${crlf}--bb--`) +
        field("m") +
        formEnd,
    ],
    [
      "beside a file that holds the delimiter within a line",
      file('x--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx') + field("m") + formEnd,
    ],
    ["beside a part without headers", `--b${crlf}${crlf}text${crlf}${field("m")}${formEnd}`],
  ])("finds a field %s", (_, body) => {
    expect(modelsIn(body)).toEqual(["m"]);
  });

  it.each([
    ["a file", field("m", 'Content-Disposition: form-data; name="model"; filename="x"')],
    [
      "a file with a coded name",
      field("m", "Content-Disposition: form-data; name=model; filename*=utf-8''x"),
    ],
    ["another name", field("m", 'Content-Disposition: form-data; name="models"')],
    ["a name in capitals", field("m", 'Content-Disposition: form-data; name="Model"')],
    [
      "a name in another parameter",
      field("m", 'Content-Disposition: form-data; name="x"; title="y; name=model"'),
    ],
    ["an attachment", field("m", 'Content-Disposition: attachment; name="model"')],
    [
      "a value in base64",
      field(
        "bQ==",
        `Content-Disposition: form-data; name="model"${crlf}Content-Transfer-Encoding: base64`,
      ),
    ],
  ])("passes over %s", (_, part) => {
    expect(modelsIn(part + formEnd)).toEqual([]);
  });

  it.each([
    ["an empty value", field("") + formEnd, [""]],
    [
      "an empty value whose line end is the delimiter's",
      `--b${crlf}Content-Disposition: form-data; name="model"${crlf}${crlf}${formEnd}`,
      [""],
    ],
    ["a value with line ends", field(`a${crlf}--c`) + formEnd, [`a${crlf}--c`]],
    ["a value with blanks", field(" m ") + formEnd, [" m "]],
    ["a value outside of ASCII", field("模型-é") + formEnd, ["模型-é"]],
    ["two of a name", field("a") + field("b") + formEnd, ["a", "b"]],
    ["no part", formEnd, []],
  ])("reads %s", (_, body, values) => {
    expect(modelsIn(body)).toEqual(values);
  });

  it.each([
    ["no delimiter", "model=m"],
    ["no last delimiter", field("m")],
    ["a value that does not end", field("m").slice(0, -3)],
    ["bare line feeds", field("m").replaceAll(crlf, "\n") + formEnd],
    ["headers without an end", `--b${crlf}Content-Disposition: form-data; name="model"`],
    ["another boundary", (field("m") + formEnd).replaceAll("--b", "--c")],
    [
      "a value that is no UTF-8",
      Buffer.concat([
        Buffer.from(field("m").slice(0, -3)),
        Buffer.from([0xff]),
        Buffer.from(crlf + formEnd),
      ]),
    ],
    ["more parts than a server takes", field("m").repeat(2_002) + formEnd],
    ["nothing", ""],
  ])("refuses a body with %s", (_, body) => {
    expect(modelsIn(body)).toBeUndefined();
  });

  it("returns a value for any bytes", () => {
    const piece = fc.constantFrom(
      "--b",
      "--b--",
      crlf,
      "\r",
      "\n",
      "-",
      ":",
      ";",
      'Content-Disposition: form-data; name="model"',
      "x",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        const body = pieces.join("");
        for (const value of modelsIn(body) ?? []) expect(body).toContain(value);
      }),
      { numRuns: 2_000 },
    );
  });
});
