import type { Clock } from "../../../../std/clock.ts";
import type { Client } from "../client.ts";
import type { ClientHead } from "../request-head.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { BodyMemory } from "./body-memory.ts";
import type { BrowserGuard } from "./browser-guard.ts";
import type { CorsPolicy } from "./cors.ts";
import { Passage } from "./passage.ts";
import type { Slots } from "./slots.ts";

export interface GateParts {
  readonly clock: Pick<Clock, "nowMs" | "after">;
  /** Requests that are handled at once. */
  readonly slots: Slots;
  /** Undefined if clients need no key. */
  readonly keys: ApiKeys | undefined;
  /** True to pass keys of clients on to engines. */
  readonly forwardsCredentials: boolean;
  /** Undefined if no web page may read answers. */
  readonly cors: CorsPolicy | undefined;
  /** Undefined if web pages of other sites cannot misuse the gateway. */
  readonly guard: BrowserGuard | undefined;
  /** Patience with a body; 0 for no limit. */
  readonly bodyTimeoutMs: number;
  /** Time for which a client may read nothing of its answer; 0 for no limit. */
  readonly readTimeoutMs: number;
  /** Bodies that are held, of all requests. */
  readonly bodies: BodyMemory;
  readonly onReaderGivenUp: () => void;
}

/** The gate that every request passes before it is read. */
export class Gate {
  readonly #parts: GateParts;

  constructor(parts: GateParts) {
    this.#parts = parts;
  }

  /** Identifies the client: `head` loses its key, and names it instead. */
  passageOf(client: Client, head: ClientHead): Passage {
    return new Passage(this.#parts, client, head);
  }
}
