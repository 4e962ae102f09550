import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formFieldsIn } from "./form-data.ts";

const CRLF = "\r\n";
const field = (value: string, headers = 'Content-Disposition: form-data; name="model"') =>
  `--b${CRLF}${headers}${CRLF}${CRLF}${value}${CRLF}`;
const file = (content: string) =>
  field(
    content,
    `Content-Disposition: form-data; name="file"; filename="a.wav"${CRLF}Content-Type: audio/wav`,
  );
const END = `--b--${CRLF}`;

/** The values of the fields called `model`; undefined for what is no form. */
function modelsIn(body: string | Buffer, boundary = "b"): string[] | undefined {
  return formFieldsIn(Buffer.from(body), boundary, ["model"])?.fields.map(({ value }) => value);
}

describe("formFieldsIn", () => {
  it.each([
    ["before a file", field("m") + file("RIFF") + END],
    ["after a file", file("RIFF") + field("m") + END],
    ["alone", field("m") + END],
    ["without an end of line after the last delimiter", `${field("m")}--b--`],
    ["after a preamble", `no part${CRLF}${field("m")}${END}epilogue`],
    ["with blanks after the delimiter", `--b \t${CRLF}${field("m").slice(5)}${END}`],
    ["with a name that is no string", field("m", "content-disposition:form-data;name=model") + END],
    ["in capitals", field("m", 'CONTENT-DISPOSITION: Form-Data; NAME="model"') + END],
    [
      "with more headers",
      field(
        "m",
        `Content-Type: text/plain; charset=utf-8${CRLF}Content-Disposition: form-data; name="model"${CRLF}Content-Length: 1`,
      ) + END,
    ],
    [
      "with a folded header",
      field("m", `Content-Disposition: form-data;${CRLF}\tname="model"`) + END,
    ],
    [
      "with an encoding that is none",
      field(
        "m",
        `Content-Disposition: form-data; name="model"${CRLF}Content-Transfer-Encoding: 8bit`,
      ) + END,
    ],
    [
      "with escapes in its name",
      field("m", 'Content-Disposition: form-data; name="mo\\del"') + END,
    ],
    [
      "beside a file that holds a form",
      file(`--bb${CRLF}Content-Disposition: form-data; name="model"${CRLF}${CRLF}x${CRLF}--bb--`) +
        field("m") +
        END,
    ],
    [
      "beside a file that holds the delimiter within a line",
      file('x--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx') + field("m") + END,
    ],
    ["beside a part without headers", `--b${CRLF}${CRLF}text${CRLF}${field("m")}${END}`],
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
        `Content-Disposition: form-data; name="model"${CRLF}Content-Transfer-Encoding: base64`,
      ),
    ],
  ])("passes over %s", (_, part) => {
    expect(modelsIn(part + END)).toEqual([]);
  });

  it.each([
    ["an empty value", field("") + END, [""]],
    [
      "an empty value whose line end is the delimiter's",
      `--b${CRLF}Content-Disposition: form-data; name="model"${CRLF}${CRLF}${END}`,
      [""],
    ],
    ["a value with line ends", field(`a${CRLF}--c`) + END, [`a${CRLF}--c`]],
    ["a value with blanks", field(" m ") + END, [" m "]],
    ["a value outside of ASCII", field("模型-é") + END, ["模型-é"]],
    ["two of a name", field("a") + field("b") + END, ["a", "b"]],
    ["no part", END, []],
  ])("reads %s", (_, body, values) => {
    expect(modelsIn(body)).toEqual(values);
  });

  it.each([
    ["no delimiter", "model=m"],
    ["no last delimiter", field("m")],
    ["a value that does not end", field("m").slice(0, -3)],
    ["bare line feeds", field("m").replaceAll(CRLF, "\n") + END],
    ["headers without an end", `--b${CRLF}Content-Disposition: form-data; name="model"`],
    ["another boundary", (field("m") + END).replaceAll("--b", "--c")],
    [
      "a value that is no UTF-8",
      Buffer.concat([
        Buffer.from(field("m").slice(0, -3)),
        Buffer.from([0xff]),
        Buffer.from(CRLF + END),
      ]),
    ],
    ["more parts than a server takes", field("m").repeat(2_002) + END],
    ["nothing", ""],
  ])("reads nothing of a body with %s", (_, body) => {
    expect(modelsIn(body)).toBeUndefined();
  });

  it("answers any bytes with a value", () => {
    const piece = fc.constantFrom(
      "--b",
      "--b--",
      CRLF,
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
