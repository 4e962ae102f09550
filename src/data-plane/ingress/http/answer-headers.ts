import type { ResponseHeadChange } from "../../exchange-parts.ts";
import { isHopByHop, namedByConnection } from "./hop-by-hop.ts";

/** The head of an engine's answer, read once. */
export class EngineHead {
  readonly httpStatus: number;
  readonly reason: string;
  /** The first value of each header, by its name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly #lines: readonly string[];

  /** `lines`: names and values in turn. */
  constructor(httpStatus: number, reason: string, lines: readonly string[]) {
    this.httpStatus = httpStatus;
    this.reason = reason;
    const headers = new Map<string, string>();
    for (let index = 0; index < lines.length; index += 2) {
      const lowerName = (lines[index] ?? "").toLowerCase();
      if (!headers.has(lowerName)) headers.set(lowerName, lines[index + 1] ?? "");
    }
    this.#lines = lines;
    this.headers = headers;
  }

  /** True if the end of the connection ends the body, so that a cut one looks complete. */
  get endsWithConnection(): boolean {
    return !this.headers.has("content-length") && !this.headers.has("transfer-encoding");
  }

  get isEventStream(): boolean {
    return this.headers.get("content-type")?.startsWith("text/event-stream") === true;
  }

  /** All names and values, for a connection that changes its protocol. */
  linesOfUpgrade(): string[] {
    return [...this.#lines];
  }

  /** Names and values for the client; `requestId` is added if the engine sends none. */
  linesFor({ set, changesLength }: ResponseHeadChange, requestId: string): string[] {
    const named = namedByConnection(this.headers.get("connection"));
    // A length next to chunks has no meaning (RFC 9112, section 6.3).
    const dropsLength = changesLength || this.headers.has("transfer-encoding");
    const out: string[] = [];
    for (let index = 0; index < this.#lines.length; index += 2) {
      const name = this.#lines[index] ?? "";
      const lowerName = name.toLowerCase();
      if (isHopByHop(lowerName) || named.has(lowerName)) continue;
      // The gateway decides which web pages may read its answers, whatever an engine allows.
      if (lowerName.startsWith("access-control-")) continue;
      if (dropsLength && lowerName === "content-length") continue;
      if (set.some(([changed]) => changed === lowerName)) continue;
      out.push(name, this.#lines[index + 1] ?? "");
    }
    for (const [name, value] of set) out.push(name, value);
    if (!this.headers.has("x-request-id")) out.push("x-request-id", requestId);
    return out;
  }
}
