import type { Duplex } from "node:stream";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { Clock } from "../../../std/clock.ts";
import type { EngineHead } from "./answer-headers.ts";
import { type AnswerSink, Attempt, type HeadUse } from "./attempt.ts";
import type { EngineConnections } from "./engine-connections.ts";

/** A model as its engine lists it: an object with an id. */
export interface ListedModel {
  readonly id: string;
  /** The base model of an adapter. */
  readonly parent?: unknown;
}

export interface EndpointModels {
  readonly endpoint: Endpoint;
  /** Undefined if the endpoint did not answer with a list. */
  readonly models: readonly ListedModel[] | undefined;
}

interface ModelListParts {
  readonly endpoints: () => readonly Endpoint[];
  readonly connections: EngineConnections;
  readonly clock: Pick<Clock, "nowMs" | "after">;
}

const listBytesMax = 2 ** 20;
const timeoutMs = 2_000;
/** Milliseconds for which a list is given again, so that clients cannot multiply their requests by the pool. */
const keptMs = 1_000;
/** Lists that are kept, one for each credential. */
const keptMax = 64;

/** Asks all endpoints for their models. */
export class ModelLists {
  readonly #parts: ModelListParts;
  readonly #kept = new Map<
    string,
    { readonly atMs: number; readonly lists: Promise<readonly EndpointModels[]> }
  >();

  constructor(parts: ModelListParts) {
    this.#parts = parts;
  }

  /** `headers`: names and values in turn, sent to every endpoint; lists are kept by `credential`. */
  ask(headers: readonly string[] = [], credential = ""): Promise<readonly EndpointModels[]> {
    const { clock, endpoints } = this.#parts;
    const nowMs = clock.nowMs();
    const kept = this.#kept.get(credential);
    if (kept !== undefined && nowMs - kept.atMs < keptMs) return kept.lists;
    if (this.#kept.size >= keptMax) this.#kept.clear();
    const asked = endpoints().map(async (endpoint) => ({
      endpoint,
      models: await this.#modelsOf(endpoint, headers),
    }));
    const lists = Promise.all(asked);
    this.#kept.set(credential, { atMs: nowMs, lists });
    return lists;
  }

  #modelsOf(
    address: Endpoint,
    headers: readonly string[],
  ): Promise<readonly ListedModel[] | undefined> {
    const { connections, clock } = this.#parts;
    return new Promise((resolve) => {
      const settle = (text: string | undefined) => {
        cancel();
        resolve(text === undefined ? undefined : modelsIn(text));
      };
      const sink = new TextSink(settle);
      const attempt = new Attempt({ connections, address, clock, sink }, false);
      const cancel = clock.after(timeoutMs, () => {
        attempt.giveUp();
        resolve(undefined);
      });
      attempt.send({ path: "/v1/models", method: "GET", headers });
    });
  }
}

/** The text of a good answer; undefined for any other. */
class TextSink implements AnswerSink {
  readonly #settle: (text: string | undefined) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(settle: (text: string | undefined) => void) {
    this.#settle = settle;
  }

  answered({ httpStatus }: EngineHead): HeadUse {
    if (httpStatus === 200) return "taken";
    this.#settle(undefined);
    return "unwanted";
  }

  chunk(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    if (this.#bytes <= listBytesMax) this.#chunks.push(chunk);
    return true;
  }

  ended(): void {
    const isWhole = this.#bytes <= listBytesMax;
    this.#settle(isWhole ? Buffer.concat(this.#chunks).toString("utf8") : undefined);
  }

  switched(_: EngineHead, engine: Duplex): void {
    engine.destroy();
    this.#settle(undefined);
  }

  failed(): void {
    this.#settle(undefined);
  }
}

function modelsIn(text: string): readonly ListedModel[] | undefined {
  try {
    const list: unknown = JSON.parse(text);
    if (typeof list !== "object" || list === null || !("data" in list)) return undefined;
    return Array.isArray(list.data) ? list.data.filter(isListed) : undefined;
  } catch {
    return undefined;
  }
}

function isListed(model: unknown): model is ListedModel {
  return (
    typeof model === "object" && model !== null && "id" in model && typeof model.id === "string"
  );
}
