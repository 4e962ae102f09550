import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AnswerReader } from "./answer-reader.ts";

interface Reading {
  readonly isHead?: boolean;
  readonly isUpgrade?: boolean;
  /** Places at which the bytes are cut. */
  readonly cuts?: readonly number[];
  /** True if the connection ends in order after the bytes. */
  readonly ends?: boolean;
}

/** The events of an answer in order, bytes next to each other joined. */
function eventsOf(text: string, reading: Reading = {}): readonly string[] {
  const { isHead = false, isUpgrade = false, cuts = [], ends = true } = reading;
  const events: string[] = [];
  let body = "";
  const note = (event: string) => {
    if (body !== "") events.push(`bytes ${body}`);
    body = "";
    events.push(event);
  };
  const reader = new AnswerReader({
    head: ({ httpStatus, reason, rawHeaders }) =>
      note(`head ${httpStatus} ${reason} ${rawHeaders.join("|")}`),
    bytes: (chunk) => void (body += chunk.toString("latin1")),
    end: (trailers, isLast) => note(`end ${trailers.join("|")}${isLast ? " last" : ""}`),
    switched: ({ httpStatus }, rest) => note(`switched ${httpStatus} ${rest.toString("latin1")}`),
    invalid: () => note("invalid"),
  });
  reader.begin({ isHead, isUpgrade });
  // One buffer for all reads, as connections have it: older bytes stay behind those of this read.
  const buffer = Buffer.alloc(text.length + 8, "\r\n\r\n");
  let from = 0;
  for (const cut of [...cuts.toSorted((one, other) => one - other), text.length]) {
    const end = Math.min(cut, text.length);
    buffer.write(text.slice(from, end), "latin1");
    reader.read(buffer, end - from);
    from = end;
  }
  if (ends && !reader.finish(true)) note("broken");
  return events;
}

const plain = "HTTP/1.1 200 OK\r\nA: b\r\n";

describe("an answer", () => {
  it.each([
    ["of a length", `${plain}Content-Length: 3\r\n\r\nabc`, ["bytes abc", "end "]],
    ["of no bytes", `${plain}Content-Length: 0\r\n\r\n`, ["end "]],
    [
      "in chunks",
      `${plain}Transfer-Encoding: Chunked\r\n\r\n2\r\nab\r\nA\r\n0123456789\r\n0\r\n\r\n`,
      ["bytes ab0123456789", "end "],
    ],
    [
      "with extensions and trailers",
      `${plain}Transfer-Encoding: chunked\r\n\r\n1;a="b"\r\nx\r\n0;c\r\nT: u \r\nV:\r\n\r\n`,
      ["bytes x", "end T|u|V|"],
    ],
    ["that its connection ends", `${plain}\r\nabc`, ["bytes abc", "end  last"]],
    [
      "that closes its connection",
      `${plain}Connection: x, close\r\nContent-Length: 1\r\n\r\na`,
      ["bytes a", "end  last"],
    ],
    ["with bytes behind it", `${plain}Content-Length: 1\r\n\r\naHTTP`, ["bytes a", "end  last"]],
    [
      "after an interim one",
      `HTTP/1.1 103 Early\r\nLink: x\r\n\r\n${plain}Content-Length: 0\r\n\r\n`,
      ["end "],
    ],
    [
      "that is cut within its length",
      `${plain}Content-Length: 3\r\n\r\nab`,
      ["bytes ab", "broken"],
    ],
    [
      "that is cut within its chunks",
      `${plain}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
      ["broken"],
    ],
    [
      "with a bad chunk after a good one",
      `${plain}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nx\r\n`,
      ["bytes a", "invalid"],
    ],
  ])("%s is read to its end", (_, text, expected) => {
    const events = eventsOf(text);
    expect(events.filter((event) => event.startsWith("head"))).toHaveLength(1);
    expect(events.slice(-expected.length)).toEqual(expected);
  });

  it.each([
    ["204", { isHead: false }, "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n"],
    ["304", { isHead: false }, "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"],
    ["to HEAD", { isHead: true }, `${plain}Transfer-Encoding: chunked\r\n\r\n`],
  ])("%s has no body, whatever its head says", (_, reading, text) => {
    expect(eventsOf(text, reading).at(-1)).toBe("end ");
  });

  it("keeps the connection of HTTP/1.0 only if it says so", () => {
    const old = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n";
    expect(eventsOf(`${old}\r\n`).at(-1)).toBe("end  last");
    expect(eventsOf(`${old}Connection: keep-alive\r\n\r\n`).at(-1)).toBe("end ");
  });

  it("that changes the protocol gives the first bytes of the new one", () => {
    const text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nhello";
    expect(eventsOf(text, { isUpgrade: true })).toEqual(["switched 101 hello"]);
    expect(eventsOf(text)).toEqual(["invalid"]);
  });
});

describe("bytes that are no answer are refused", () => {
  it.each([
    ["another protocol", "SSH-2.0-OpenSSH\r\n"],
    ["another version", "HTTP/2.0 200 OK\r\n\r\n"],
    ["a status of two digits", "HTTP/1.1 20 OK\r\n\r\n"],
    ["a status below 100", "HTTP/1.1 099 OK\r\n\r\n"],
    ["a line that ends with LF", "HTTP/1.1 200 OK\nA: b\r\n\r\n"],
    ["a bare CR in a value", `${plain}C: d\re\r\n\r\n`],
    ["NUL in a value", `${plain}C: d\0\r\n\r\n`],
    ["a space before a colon", `${plain}C : d\r\n\r\n`],
    ["a folded line", `${plain} more\r\n\r\n`],
    ["a line without a colon", `${plain}C\r\n\r\n`],
    ["an empty name", `${plain}: c\r\n\r\n`],
    ["two lengths", `${plain}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`],
    ["a list of lengths", `${plain}Content-Length: 1, 1\r\n\r\na`],
    ["a signed length", `${plain}Content-Length: +1\r\n\r\na`],
    ["a length of 2^64", `${plain}Content-Length: 18446744073709551616\r\n\r\na`],
    ["a length next to chunks", `${plain}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ["chunks next to a length", `${plain}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n`],
    ["a coding that is not undone", `${plain}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ["chunks twice", `${plain}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ["a chunk without a size", `${plain}Transfer-Encoding: chunked\r\n\r\n\r\n`],
    ["a size with a prefix", `${plain}Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n`],
    ["a size before a space", `${plain}Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n`],
    ["a size of 14 digits", `${plain}Transfer-Encoding: chunked\r\n\r\n00000000000001\r\na\r\n`],
    ["a size line that ends with LF", `${plain}Transfer-Encoding: chunked\r\n\r\n1\na\r\n`],
    ["a CR in an extension", `${plain}Transfer-Encoding: chunked\r\n\r\n1;\ra\r\na\r\n`],
    ["a chunk longer than its size", `${plain}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`],
    ["a trailer without a colon", `${plain}Transfer-Encoding: chunked\r\n\r\n0\r\nT\r\n\r\n`],
    ["a head beyond its limit", `${plain}C: ${"d".repeat(131_072)}\r\n\r\n`],
    [
      "a size line beyond its limit",
      `${plain}Transfer-Encoding: chunked\r\n\r\n1;${"e".repeat(4_096)}`,
    ],
    [
      "trailers beyond their limit",
      `${plain}Transfer-Encoding: chunked\r\n\r\n0\r\nT: ${"u".repeat(131_072)}`,
    ],
  ])("%s", (_, text) => {
    expect(eventsOf(text, { ends: false }).at(-1)).toBe("invalid");
  });

  it("after an answer, before another request", () => {
    const events: string[] = [];
    const reader = new AnswerReader({
      head: () => undefined,
      bytes: () => undefined,
      end: () => void events.push("end"),
      switched: () => undefined,
      invalid: () => void events.push("invalid"),
    });
    reader.begin({ isHead: false, isUpgrade: false });
    const answer = Buffer.from(`${plain}Content-Length: 0\r\n\r\n`);
    reader.read(Buffer.from(answer), answer.length);
    reader.read(Buffer.from(answer), answer.length);
    expect(events).toEqual(["end", "invalid"]);
  });
});

/** Pieces of which answers are made; most are right. */
const part = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "1\r\na\r\n",
      "a\r\n0123456789\r\n",
      "0\r\n",
      "\r\n",
      "T: u\r\n",
      ";x",
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 4 }) },
);
const framing = fc.constantFrom(
  "",
  "Content-Length: 12\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
);
const answer = fc
  .record({
    interim: fc.constantFrom("", "HTTP/1.1 100 Continue\r\n\r\n"),
    framing,
    parts: fc.array(part, { maxLength: 8 }),
  })
  .map(({ interim, framing: framed, parts }) => `${interim}${plain}${framed}\r\n${parts.join("")}`);

/** Bytes that come after an answer are noticed with its last ones, or only later. */
const withoutRest = (events: readonly string[]) => {
  const end = events.findIndex((event) => event.startsWith("end"));
  return (end === -1 ? events : events.slice(0, end + 1)).map((event) =>
    event.replace(/ last$/u, ""),
  );
};

it("an answer says the same however its bytes are cut", () => {
  fc.assert(
    fc.property(answer, fc.array(fc.nat(160), { maxLength: 12 }), (text, cuts) => {
      expect(withoutRest(eventsOf(text, { cuts }))).toEqual(withoutRest(eventsOf(text)));
    }),
  );
});

it("an answer says the same byte by byte", () => {
  fc.assert(
    fc.property(answer, (text) => {
      const cuts = Array.from({ length: text.length }, (_, index) => index);
      expect(withoutRest(eventsOf(text, { cuts }))).toEqual(withoutRest(eventsOf(text)));
    }),
  );
});
