import { bufferOf, type SentBody } from "../sent-body.ts";

/** A request as an engine gets it. */
export interface EngineRequest {
  readonly method: string;
  readonly path: string;
  /** Names and values in turn, without those of the connection and of framing. */
  readonly headers?: readonly string[];
  readonly body?: SentBody;
  /** Bytes of a streamed body that the client has announced; undefined if it announced none. */
  readonly announcedBytes?: number | undefined;
  /** The protocol to change to. */
  readonly upgrade?: string | undefined;
}

/** A head, or a body, that cannot be written as HTTP/1.1. */
export class UnwritableRequest extends Error {}

const methodToken = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/u;
const target = /^[\x21-\x7e\x80-\xff]+$/u;

/** Name, colon and value: bytes that could end the line would begin a header, or a request, of their own. */
const fieldLine = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+: [\t\x20-\x7e\x80-\xff]*$/u;

/** The head up to its headers; framing and the empty line follow. Throws if it cannot be written. */
export function headTextOf(request: EngineRequest, hostPort: string): string {
  const { method, path, headers = [], upgrade } = request;
  if (!methodToken.test(method) || !target.test(path)) {
    throw new UnwritableRequest("the method or the path is not valid");
  }
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${hostPort}\r\n`;
  text +=
    upgrade === undefined
      ? "connection: keep-alive\r\n"
      : `connection: upgrade\r\n${checkedLine(`upgrade: ${upgrade}`)}`;
  for (let index = 0; index < headers.length; index += 2) {
    text += checkedLine(`${headers[index]}: ${headers[index + 1]}`);
  }
  return text;
}

function checkedLine(line: string): string {
  if (!fieldLine.test(line)) throw new UnwritableRequest("a header is not valid");
  return `${line}\r\n`;
}

/** Methods whose requests have a body: a length of 0 says that this one is empty (RFC 9110, section 8.6). */
const withPayload = new Set(["POST", "PUT", "PATCH", "QUERY", "PROPFIND", "PROPPATCH"]);

/** Bytes up to which a body is copied behind its head: a longer one costs more to copy than a second buffer. */
const oneBufferBytesMax = 65_536;

/** The headers that frame a body of known length, and the end of the head. */
export function lengthText(method: string, bytes: number): string {
  return bytes > 0 || withPayload.has(method) ? `content-length: ${bytes}\r\n\r\n` : "\r\n";
}

/** Head and body in as few buffers as is cheap. */
export function buffersOf(head: string, body: Uint8Array): readonly Buffer[] {
  if (body.length > oneBufferBytesMax) return [Buffer.from(head, "latin1"), bufferOf(body)];
  const bytes = Buffer.allocUnsafe(head.length + body.length);
  bytes.write(head, "latin1");
  bytes.set(body, head.length);
  return [bytes];
}
