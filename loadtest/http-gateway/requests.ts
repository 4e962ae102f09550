import { model } from "./answers.ts";

/** Requests that differ, in groups whose prompts begin alike, as those of one application do. */
const requestsPerSize = 128;
const requestsPerGroup = 8;

const words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india"];

export interface RequestShape {
  readonly port: number;
  readonly bodyBytes: number;
  readonly isStream: boolean;
  /** Headers that a contestant needs, beside the usual ones. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Whole chat requests, with their heads. */
export function requestsOf(shape: RequestShape): readonly Buffer[] {
  return Array.from({ length: requestsPerSize }, (_, index) => requestOf(shape, index));
}

function requestOf({ port, bodyBytes, isStream, headers }: RequestShape, index: number): Buffer {
  const body = chatBodyOf(bodyBytes, isStream, index);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `${lines.join("")}\r\n${body}`,
  );
}

/** A chat request of exactly that many bytes: half of its prompt is that of its group. */
export function chatBodyOf(bodyBytes: number, isStream: boolean, index: number): string {
  const bodyWith = (system: string, user: string) =>
    JSON.stringify({
      model,
      ...(isStream ? { stream: true } : {}),
      messages: [
        { role: "system", content: system },
        { role: "user", content: user },
      ],
    });
  const promptBytes = bodyBytes - bodyWith("", "").length;
  if (promptBytes < 64) throw new Error(`a body of ${bodyBytes} bytes has no room for a prompt`);
  const systemBytes = Math.floor(promptBytes / 2);
  const group = Math.floor(index / requestsPerGroup);
  return bodyWith(
    textOf(systemBytes, `group ${group}`),
    textOf(promptBytes - systemBytes, `request ${index}`),
  );
}

/** Words that depend on the name alone, cut at the length. */
function textOf(length: number, name: string): string {
  let state = 7;
  for (const character of name) state = (state * 31 + (character.codePointAt(0) ?? 0)) % 65_537;
  let text = `${name}.`;
  while (text.length < length) {
    state = (state * 75 + 74) % 65_537;
    text += ` ${words[state % words.length]}`;
  }
  return text.slice(0, length);
}
