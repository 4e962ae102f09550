import type { Pick } from "../fuzz-http/pick.ts";

export interface AnswerCase {
  readonly text: string;
  /** More than was asked for; it has to leave with the last bytes of `text`. */
  readonly rest: string;
  /** What the engine does after it. */
  readonly ends: "kept" | "closed" | "reset";
}

/** Stands in each body, with the number of its request. */
export const markOf = (id: string): string => `[[${id}]]`;

/** Bytes that mean something in a head or between chunks. */
const oddities = [
  "\r",
  "\n",
  "\r\n",
  "\r\n\r\n",
  " ",
  "\t",
  ":",
  ";",
  "\0",
  "\x7f",
  "\xff",
  "0",
  "f",
];

const oddLines = [
  "Content-Length: 5",
  "Content-Length: 18446744073709551617",
  "Content-Length: -1",
  "Content-Length: 5, 5",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: identity",
  "Connection: close",
  "Connection: upgrade",
  "Keep-Alive: timeout=0",
  "Keep-Alive: timeout=999999",
  "Upgrade: websocket",
  "Trailer: T",
  " folded",
  "no colon",
  ": no name",
  "Sp ace: a",
  `Long: ${"a".repeat(70_000)}`,
];

const statuses = [
  "200 OK",
  "200",
  "204 No Content",
  "304 Not Modified",
  "500 \xff",
  "101 Switching",
  "999 X",
];
const interims = [
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 103 Early\r\nLink: a\r\n\r\n",
  "HTTP/1.1 101 S\r\n\r\n",
];

/** An answer to the request `id`: right, nearly right, cut, or too long. */
export function answerCaseOf(pick: Pick, id: string): AnswerCase {
  return pick.chance(0.1) ? longerCaseOf(pick, id) : oddCaseOf(pick, id);
}

/** A right answer, and one more. */
function longerCaseOf(pick: Pick, id: string): AnswerCase {
  const text = `HTTP/1.1 200 OK\r\nContent-Length: ${markOf(id).length}\r\n\r\n${markOf(id)}`;
  const rest = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[[stray]]";
  return { text, rest: rest.slice(0, 1 + pick.below(rest.length)), ends: "kept" };
}

function oddCaseOf(pick: Pick, id: string): AnswerCase {
  const body = markOf(id).repeat(1 + pick.below(40));
  const isChunked = pick.chance(0.5);
  const [framing, content] = isChunked ? chunkedOf(pick, body) : sizedOf(pick, body);
  const lines = [framing, ...(pick.chance(0.25) ? [pick.of(oddLines)] : [])];
  if (pick.chance(0.1)) lines.reverse();
  const interim = pick.chance(0.1) ? pick.of(interims).repeat(1 + pick.below(4)) : "";
  const version = pick.chance(0.1) ? "HTTP/1.0" : "HTTP/1.1";
  const status = pick.chance(0.15) ? pick.of(statuses) : "200 OK";
  const head = `${interim}${version} ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
  const spoiled = pick.chance(0.15) ? spoiledOf(pick, head) : head;
  const whole = `${spoiled}${content}`;
  const text = pick.chance(0.1) ? whole.slice(0, pick.below(whole.length)) : whole;
  const ends = pick.chance(0.2) ? pick.of(["closed", "reset"] as const) : "kept";
  return { text: pick.chance(0.02) ? pick.bytes(200) : text, rest: "", ends };
}

function sizedOf(pick: Pick, body: string): readonly [string, string] {
  const bytes = pick.chance(0.1) ? body.length + pick.below(20) - 10 : body.length;
  return [`Content-Length: ${bytes}`, body];
}

function chunkedOf(pick: Pick, body: string): readonly [string, string] {
  let content = "";
  for (let from = 0; from < body.length;) {
    const end = Math.min(body.length, from + 1 + pick.below(100));
    const extension = pick.chance(0.1) ? `;a="${"b".repeat(pick.below(50))}"` : "";
    content += `${(end - from).toString(16)}${extension}\r\n${body.slice(from, end)}\r\n`;
    from = end;
  }
  content += pick.chance(0.2) ? "0\r\nT: u\r\n\r\n" : "0\r\n\r\n";
  // A size that is not that of its chunk, or no size at all.
  if (pick.chance(0.1))
    content = content.replace(
      /^[\da-f]+/u,
      pick.of(["", "0", "fffffffffffff", "1".repeat(20), "-1"]),
    );
  return ["Transfer-Encoding: chunked", content];
}

function spoiledOf(pick: Pick, head: string): string {
  const at = pick.below(head.length);
  return `${head.slice(0, at)}${pick.of(oddities)}${head.slice(at + pick.below(2))}`;
}
