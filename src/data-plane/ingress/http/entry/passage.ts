import type { Readable } from "node:stream";
import type { ApiKey } from "../../../../core/api-key.ts";
import type { Refusal } from "../../../../core/errors.ts";
import type { HeaderValues, InferenceRequest } from "../../../../core/request.ts";
import type { TokenUsage } from "../../../../core/usage.ts";
import type { Client } from "../client.ts";
import type { ClientHead } from "../request-head.ts";
import { modelRefusalOf } from "./allowed-models.ts";
import { credentialHeaders, type KeyUse } from "./api-keys.ts";
import { AnswerPace } from "./answer-pace.ts";
import type { BodyClaim, BodyMemory } from "./body-memory.ts";
import { BodyPace, paced } from "./body-pace.ts";
import type { GateParts } from "./gate.ts";
import { limitHeadersOf, requestRefusalOf, tokenRefusalOf } from "./rate-limit.ts";
import type { Slot, SlotLimits, SlotRefusal } from "./slots.ts";

/** Milliseconds for which the rest of a body is read after its answer, so that the client sees the answer. */
const lingerMs = 5_000;

/** Bytes of an event stream that stand for one token, if the engine reports no usage. */
const eventBytesOfToken = 250;

/** Receives the end of the wait at the gate. */
interface Entrant {
  entered(): void;
  refused(refusal: Refusal): void;
}

/** Size and tokens of an answer. */
export interface AnswerSeen {
  readonly usage: TokenUsage | undefined;
  readonly responseBytes: number;
}

/** One request on its way through the gate, until it is over. */
export class Passage {
  readonly #parts: GateParts;
  readonly #client: Client;
  readonly #headers: HeaderValues;
  readonly #key: ApiKey | "missing" | "unknown" | undefined;
  readonly #use: KeyUse | undefined;
  readonly #cors: readonly string[];
  /** Headers that answer a browser's question; undefined for any other request. */
  readonly preflight: readonly string[] | undefined;
  #slot: Slot | undefined;
  #pace: BodyPace | undefined;
  #claim: BodyClaim | undefined;
  #answerPace: AnswerPace | undefined;
  #watched: Readable | undefined;
  #promptTokens = 0;
  #isStreaming = false;

  constructor(parts: GateParts, client: Client, head: ClientHead) {
    const { keys, cors, forwardsCredentials } = parts;
    this.#parts = parts;
    this.#client = client;
    this.#headers = head.headers;
    this.#cors = cors?.headersFor(head.headers) ?? [];
    this.preflight = cors?.preflightFor(head.method, head.headers);
    this.#key = keys?.keyOf(head.headers);
    if (typeof this.#key !== "object") return;
    this.#use = keys?.uses.get(this.#key.name);
    head.identifyAs(this.#key.name, forwardsCredentials ? [] : credentialHeaders);
  }

  /** True if the client may see this model; undefined if it may see all. */
  get showsModel(): ((model: string) => boolean) | undefined {
    const { models } = typeof this.#key === "object" ? this.#key : {};
    return models === undefined ? undefined : (model) => models.includes(model);
  }

  /** Headers of the answer, names and values in turn. */
  answerHeaders(): readonly string[] {
    if (this.#use === undefined) return this.#cors;
    return [...this.#cors, ...limitHeadersOf(this.#use)];
  }

  /** The entrant may be told before this returns, or later if it has to wait. */
  enter(entrant: Entrant): void {
    const { guard } = this.#parts;
    const refusal = guard?.refusalOf(this.#client.authority, this.#headers) ?? this.#refusalOfKey();
    if (refusal !== undefined) return entrant.refused(refusal);
    this.#slot = this.#parts.slots.slot();
    this.#slot.enter({
      entered: () => entrant.entered(),
      refused: (code) =>
        entrant.refused({ code, message: slotMessages[code](this.#parts.slots.limits) }),
    });
  }

  readonly #received = (chunk: Buffer): void => {
    this.#pace?.received(chunk.length);
    this.#pace?.waits();
    this.#claim?.grow(chunk.length);
  };

  /** Refuses a request that its key does not allow, or counts its tokens. */
  readonly permits = (request: InferenceRequest): Refusal | undefined => {
    const key = this.#key;
    const use = this.#use;
    if (typeof key !== "object" || use === undefined) return undefined;
    const { promptTokens, isStreaming } = request;
    const refusal =
      modelRefusalOf(key, request, this.#client.upgrade !== undefined) ??
      tokenRefusalOf(key, use, promptTokens);
    if (refusal !== undefined) {
      use.refusedTotal += 1;
      return refusal;
    }
    this.#isStreaming = isStreaming;
    this.#promptTokens = promptTokens;
    use.tokens?.take(promptTokens);
    return undefined;
  };

  /** Watches the body of the client, which is read and held from now on; `refuse` runs if it cannot be. */
  watchHeld(body: Readable, refuse: (refusal: Refusal) => void): void {
    this.#claim = this.#parts.bodies.claim(() => refuse(noRoomIn(this.#parts.bodies)));
    this.#paceOf(() => refuse(this.tooSlow))?.waits();
    this.#watched = body;
    body.on("data", this.#received);
  }

  /** The refusal of a body that arrives too slowly. */
  get tooSlow(): Refusal {
    const limit = `${this.#parts.bodyTimeoutMs} ms (--body-timeout)`;
    return {
      code: "body_timeout",
      message: `the request body did not arrive in time: the longest pause is ${limit}`,
    };
  }

  /** The whole body has been read, or its rest passes through `watched`. */
  stopWatching(): void {
    this.#watched?.off("data", this.#received);
    this.#watched = undefined;
    this.#pace?.stop();
    this.#claim?.settle();
  }

  /** The client has to read before more of its answer can be sent. */
  answerStalls(): void {
    this.#paceOfAnswer().stalls();
  }

  /** The client has read. */
  answerFlows(): void {
    this.#answerPace?.flows();
  }

  /** A body that passes through as an engine takes it. */
  watched(pieces: AsyncIterable<Uint8Array>, tooSlow: () => void): AsyncIterable<Uint8Array> {
    const pace = this.#paceOf(tooSlow);
    return pace === undefined ? pieces : paced(pieces, pace);
  }

  /** The request is over. `seen`: undefined if it has not reached an engine. */
  leave(seen: AnswerSeen | undefined): void {
    this.stopWatching();
    // Not before: the body is kept for another try until the answer ends.
    this.#claim?.free();
    this.#settleTokens(seen);
    this.#leaveOnceRead();
    const { body, hasUnreadBody } = this.#client;
    if (body === undefined || !hasUnreadBody) return;
    discard(body);
    this.#parts.clock.after(lingerMs, () => this.#client.dropBody());
  }

  /** The rest of an answer takes memory until the client has read it, and keeps its place as long. */
  #leaveOnceRead(): void {
    if (!this.#client.hasUnsentAnswer) {
      this.answerFlows();
      return this.#slot?.leave();
    }
    this.answerStalls();
    this.#client.onSent(() => {
      this.answerFlows();
      this.#slot?.leave();
    });
  }

  #paceOfAnswer(): AnswerPace {
    const { clock, readTimeoutMs: patienceMs, onReaderGivenUp } = this.#parts;
    this.#answerPace ??= new AnswerPace(this.#client, { clock, patienceMs }, onReaderGivenUp);
    return this.#answerPace;
  }

  #refusalOfKey(): Refusal | undefined {
    const key = this.#key;
    if (key === undefined) return undefined;
    if (typeof key !== "object") return { code: "invalid_api_key", message: keyMessages[key] };
    const use = this.#use;
    if (use === undefined) return undefined;
    use.requestsTotal += 1;
    const refusal = requestRefusalOf(key, use);
    if (refusal === undefined) use.requests?.take(1);
    else use.refusedTotal += 1;
    return refusal;
  }

  /** The engine's own count replaces the estimate that was taken before. */
  #settleTokens(seen: AnswerSeen | undefined): void {
    const use = this.#use;
    if (use === undefined) return;
    const tokens = seen === undefined ? 0 : this.#tokensOf(seen);
    use.tokensTotal += tokens;
    use.tokens?.take(tokens - this.#promptTokens);
    this.#promptTokens = 0;
  }

  #tokensOf({ usage, responseBytes }: AnswerSeen): number {
    if (usage !== undefined) return usage.promptTokens + usage.outputTokens;
    const outputTokens = this.#isStreaming ? Math.ceil(responseBytes / eventBytesOfToken) : 0;
    return this.#promptTokens + outputTokens;
  }

  #paceOf(tooSlow: () => void): BodyPace | undefined {
    const { bodyTimeoutMs, clock } = this.#parts;
    this.#pace?.stop();
    this.#pace = bodyTimeoutMs === 0 ? undefined : new BodyPace(bodyTimeoutMs, clock, tooSlow);
    return this.#pace;
  }
}

/** Lets the rest of a body pass unread, so that the client can finish sending it. */
function discard(body: Readable): void {
  body.removeAllListeners("data");
  body.removeAllListeners("readable");
  body.resume();
}

function noRoomIn({ bytesMax }: BodyMemory): Refusal {
  const message = `the gateway holds too many request bodies: the limit is ${bytesMax} bytes (--held-bodies-limit)`;
  return { code: "bodies_full", message };
}

const slotMessages: Readonly<Record<SlotRefusal, (limits: SlotLimits) => string>> = {
  queue_full: ({ heldMax, waitingMax }) =>
    `too many requests are waiting: the limits are ${heldMax} (--requests-max) and ${waitingMax} that wait (--queue-max)`,
  queue_timeout: ({ heldMax, waitMs }) =>
    `the request waited ${waitMs} ms (--queue-wait) for one of ${heldMax} places (--requests-max)`,
};

const keyMessages: Readonly<Record<"missing" | "unknown", string>> = {
  missing: "the request has no API key: send it as Authorization: Bearer KEY",
  unknown: "the API key is not valid",
};
