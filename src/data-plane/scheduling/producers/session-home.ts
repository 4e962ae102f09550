import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import type { RequestFollower } from "../../../core/request-follower.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import type { SessionHome } from "../../../core/session-home.ts";
import type { TokenUsage } from "../../../core/usage.ts";
import { dataPlanePlugin, type SentRequest } from "../../../core/data-plane-plugin.ts";
import { isFailedStatus } from "../shared/failed-status.ts";
import { isOnlyTokenized } from "../shared/only-tokenized.ts";
import { SessionTable, storedTtlMs } from "../shared/session-table.ts";

const params = z.strictObject({
  sessionProducer: z.string().min(1).default("conversation-producer").meta({
    description: "Producer of session ids.",
    tune: "Name a `session-id-producer` to use only its header or cookie.",
  }),
  ttlSeconds: z.number().positive().default(3_600).meta({
    unit: "s",
    description: "Idle time after which a session is forgotten.",
  }),
});

/** The endpoint of a session or stored response. */
interface Stay {
  readonly slot: number;
  /** Number of times that the slot had been emptied by then. */
  readonly epoch: number;
  contextTokens: number;
  readonly usedAtMs: number;
}

interface HomeSettings {
  readonly ttlMs: number;
}

/** Endpoints of sessions and of stored responses. */
export class SessionHomes {
  readonly sessions: SessionTable<Stay>;
  /** By the session's id and the id of the stored response or conversation. */
  readonly stored = new SessionTable<Stay>({ ttlMs: storedTtlMs });
  /** By slot: number of times that an endpoint joined or left it. */
  readonly #epochs: number[] = [];
  /** By slot: time of the last restart of its engine. */
  readonly #restartsMs: number[] = [];

  constructor(settings: HomeSettings) {
    this.sessions = new SessionTable<Stay>(settings);
  }

  get size(): number {
    return this.sessions.size + this.stored.size;
  }

  get droppedCount(): number {
    return this.sessions.droppedCount + this.stored.droppedCount;
  }

  stayAt({ slot }: Endpoint, contextTokens: number, usedAtMs: number): Stay {
    return { slot, epoch: this.#epochOf(slot), contextTokens, usedAtMs };
  }

  /** True unless the endpoint has left or restarted since. */
  isCurrent({ slot, epoch, usedAtMs }: Stay): boolean {
    return epoch === this.#epochOf(slot) && !(usedAtMs < (this.#restartsMs[slot] ?? 0));
  }

  forget({ slot }: Endpoint): void {
    this.#epochs[slot] = this.#epochOf(slot) + 1;
  }

  restart({ slot }: Endpoint, restartMs: number): void {
    this.#restartsMs[slot] = restartMs;
  }

  #epochOf(slot: number): number {
    return this.#epochs[slot] ?? 0;
  }
}

/** Memories of producers of session homes. */
export const sessionHomeMemory: MemoryKind<SessionHomes, HomeSettings> = {
  create: (settings) => new SessionHomes(settings),
  configure: ({ sessions }, { ttlMs }) => (sessions.ttlMs = ttlMs),
  forget: (homes, endpoint) => homes.forget(endpoint),
  restart: (homes, endpoint, restartMs) => homes.restart(endpoint, restartMs),
};

/** Knows the endpoint that served a session last, and the one that stores a response. */
export const sessionHomeProducer = dataPlanePlugin({
  type: "session-home-producer",
  kinds: ["data-producer"],
  produces: "session-home",
  isOwn: true,
  summary:
    "Remembers the endpoint that served a session last, and the size of its context in tokens. If a request names a stored response or conversation (`previous_response_id`, `conversation`, or its id in the path), the producer finds the endpoint whose answer contained this id: vLLM and other engines keep responses in their own memory, and the request's body lacks the conversation. Ids are read from answers. If an endpoint leaves or restarts, its sessions are forgotten. Created automatically if another plugin needs it.",
  params,
  needs: ({ sessionProducer }) => [
    { kind: "data", data: "session-id", producer: sessionProducer, path: ["sessionProducer"] },
  ],
  create: ({ sessionProducer, ttlSeconds }, deps) => {
    const homes = deps.memory(sessionHomeMemory, { ttlMs: ttlSeconds * 1_000 });
    const sessionOf = deps.reader("session-id", sessionProducer);
    return {
      producer: {
        produce: (context) => {
          const session = sessionOf(context);
          return session === undefined
            ? undefined
            : homeOf(homes, session, { request: context.request, nowMs: context.nowMs });
        },
      },
      hooks: {
        sent: (sent) => {
          const session = sessionOf(sent.context);
          const { request } = sent.context;
          // A request without a prompt, such as a GET, does not change the context.
          if (session === undefined || request.prompts.length === 0 || isOnlyTokenized(request)) {
            return undefined;
          }
          // The value under this name is what `produce` returned.
          const home = sent.context.data.get(deps.name) as SessionHome | undefined;
          return followed(sent, { session, home, homes });
        },
      },
    };
  },
});

function homeOf(
  homes: SessionHomes,
  session: string,
  { request, nowMs }: { readonly request: InferenceRequest; readonly nowMs: number },
): SessionHome | undefined {
  const { storedId } = request;
  const stored =
    storedId === "" ? undefined : homes.stored.get(storedKey(session, storedId), nowMs);
  if (stored !== undefined && homes.isCurrent(stored)) return { ...shown(stored), isStored: true };
  const stay = homes.sessions.get(session, nowMs);
  return stay !== undefined && homes.isCurrent(stay)
    ? { ...shown(stay), isStored: false }
    : undefined;
}

function shown({ slot, contextTokens, usedAtMs }: Stay): Omit<SessionHome, "isStored"> {
  return { slot, contextTokens, usedAtMs };
}

interface Following {
  readonly session: string;
  /** The result of `produce`. */
  readonly home: SessionHome | undefined;
  readonly homes: SessionHomes;
}

/** Moves the session to the endpoint that serves the request; a request that fails moves it back. */
function followed(
  { context, decision }: SentRequest,
  { session, home, homes }: Following,
): RequestFollower {
  const { request, nowMs } = context;
  const { sessions, stored } = homes;
  const before = sessions.get(session, nowMs);
  // The body of a request that names a stored conversation lacks its text.
  const storedTokens = request.storedId === "" ? 0 : (home?.contextTokens ?? 0);
  const contextTokens = storedTokens + request.promptTokens;
  let stay = homes.stayAt(decision.targets[0].endpoint, contextTokens, nowMs);
  sessions.set(session, stay, nowMs);
  return {
    responseHead: ({ httpStatus, served }, atMs) => {
      const isLast = sessions.get(session, atMs) === stay;
      if (isFailedStatus(httpStatus)) {
        if (isLast && before !== undefined) sessions.set(session, before, atMs);
        else if (isLast) sessions.delete(session);
      } else if (served !== undefined && served.slot !== stay.slot) {
        stay = homes.stayAt(served, contextTokens, atMs);
        if (isLast) sessions.set(session, stay, atMs);
      }
      return [];
    },
    ended: ({ usage, answerId, failure, endedMs }) => {
      if (usage !== undefined) stay.contextTokens = tokensOf(usage);
      if (answerId === undefined || failure !== undefined) return;
      stored.set(storedKey(session, answerId), stay, endedMs);
    },
  };
}

function tokensOf({ promptTokens, outputTokens }: TokenUsage): number {
  return promptTokens + outputTokens;
}

/** Ids of sessions have no line feed. */
function storedKey(session: string, storedId: string): string {
  return `${session}\n${storedId}`;
}
