import { randomBytes } from "node:crypto";
import { z } from "zod";
import { headerTable, sessionHeaders, valueOf } from "../../../core/headers.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import type { HeaderValues, InferenceRequest } from "../../../core/request.ts";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { headerNameParam } from "../shared/header-name-param.ts";
import { SessionTable, storedTtlMs } from "../shared/session-table.ts";
import { ConversationTree } from "./conversations/conversation-tree.ts";
import { KeyedHash } from "./conversations/keyed-hash.ts";
import { stepsOf } from "./conversations/prompt-steps.ts";

/** Maximum characters of a key in a header, which the client chooses; a longer one is ignored. */
const keyCharactersMax = 512;
const secretBytes = 32;
/** Headers that distinguish senders. */
const senderHeaders = [
  headerTable.fairnessId.name,
  headerTable.fairnessId.olderName,
  "authorization",
  "x-api-key",
  "api-key",
];

const params = z.strictObject({
  senderHeaders: z.array(headerNameParam).default(senderHeaders).meta({
    description:
      "Headers that identify the sender, all of them together. Requests without any of them count as one sender.",
    tune: "If the gateway authenticates clients and puts the tenant into a header, name only that header: a renewed token looks like another sender.",
  }),
  additionalSessionHeaders: z.array(headerNameParam).default([]).meta({
    description:
      "Further headers that contain a session's key. They are read before the known ones.",
  }),
  readsPrompt: z.boolean().default(true).meta({
    description: "Recognizes conversations by their prompts if a client sends no key.",
    tune: "Set to false if only requests with a key should belong to sessions.",
  }),
});

type Params = z.infer<typeof params>;

/** Knowledge by which requests are assigned to conversations. */
export class Conversations {
  readonly hash: KeyedHash;
  readonly tree: ConversationTree;
  /** Ids of conversations by hashes of the stored responses that belong to them. */
  readonly byStored: SessionTable<string>;

  constructor(secret: string) {
    this.hash = new KeyedHash(secret);
    this.tree = new ConversationTree(this.hash);
    this.byStored = new SessionTable<string>({ ttlMs: storedTtlMs });
  }

  get size(): number {
    return this.tree.size + this.byStored.size;
  }

  get droppedCount(): number {
    return this.tree.droppedCount + this.byStored.droppedCount;
  }
}

/** Memories of producers of conversations. Ids of one process mean nothing to another, so its secret is random. */
export const conversationMemory: MemoryKind<Conversations> = {
  create: () => new Conversations(randomBytes(secretBytes).toString("base64url")),
};

/** Finds the conversation that a request belongs to, with or without a key of the client. */
export const conversationProducer = dataPlanePlugin({
  type: "conversation-producer",
  kinds: ["data-producer"],
  produces: "session-id",
  isOwn: true,
  summary:
    "Finds the conversation that a request belongs to, for session affinity by `attribute` and for `session-home-producer`. The first of these decides: the stored response or conversation that the request names (`previous_response_id`, `conversation`); a key of the client, in a header or the body; the prompt, by the point where it differs from what others share. A key counts only together with its sender and the model, so the same key of another sender is another conversation. [docs/sessions.md](sessions.md) has the details. Created automatically if another plugin names it as a producer.",
  params,
  create: (options, deps) => {
    const known = deps.memory(conversationMemory);
    return {
      producer: {
        produce: ({ request, nowMs }) => conversationOf(request, { known, options, nowMs }),
      },
      hooks: {
        sent: ({ context }) => {
          const { request, data } = context;
          if (request.dialect !== "responses" && request.dialect !== "conversations") {
            return undefined;
          }
          // The value under this name is what `produce` returned.
          const conversation = data.get(deps.name) as string | undefined;
          if (conversation === undefined) return undefined;
          const sender = senderOf(request, options);
          return {
            ended: ({ answerId, failure, endedMs }) => {
              if (answerId === undefined || failure !== undefined) return;
              known.byStored.set(known.hash.of("stored", sender, answerId), conversation, endedMs);
            },
          };
        },
      },
    };
  },
});

interface Asking {
  readonly known: Conversations;
  readonly options: Params;
  readonly nowMs: number;
}

function conversationOf(
  request: InferenceRequest,
  { known, options, nowMs }: Asking,
): string | undefined {
  const { hash, byStored, tree } = known;
  const { head, storedId, targetModel, cacheSalt, dialect } = request;
  // Most requests name neither a stored response nor a key, so their sender is not asked for.
  const hashOf = (kind: string, ...texts: readonly string[]) =>
    hash.of(kind, senderOf(request, options), ...texts);
  const stored = storedId === "" ? undefined : hashOf("stored", storedId);
  const ofStored = stored === undefined ? undefined : byStored.get(stored, nowMs);
  if (ofStored !== undefined) return ofStored;
  const key = keyIn(head.headers, options) ?? request.sessionKey;
  if (key !== "") {
    const agent = valueOf(head.headers, headerTable.claudeCodeAgent) ?? "";
    return hashOf("key", targetModel, key, agent);
  }
  // The prompt of such a request is only the newest part of the conversation.
  if (stored !== undefined) return stored;
  const steps = options.readsPrompt ? stepsOf(request) : undefined;
  if (steps !== undefined) {
    const scope = hashOf("scope", targetModel, cacheSalt);
    const ofPrompt = tree.idOf({ scope, steps, nowMs });
    if (ofPrompt !== undefined) return ofPrompt;
  }
  // An engine may store what is created, and later requests name it.
  const isStored = dialect === "responses" || dialect === "conversations";
  return isStored ? hashOf("request", head.id) : undefined;
}

/** The values of the headers that tell senders apart, with the borders between them. */
function senderOf({ head }: InferenceRequest, { senderHeaders: names }: Params): string {
  let sender = "";
  for (const name of names) {
    const value = head.headers.get(name) ?? "";
    sender += `${value.length}:${value}`;
  }
  return sender;
}

/** The key in the first header that has one; undefined if none has. */
function keyIn(
  headers: HeaderValues,
  { additionalSessionHeaders }: Pick<Params, "additionalSessionHeaders">,
): string | undefined {
  for (const name of additionalSessionHeaders) {
    const key = usableKey(headers.get(name));
    if (key !== undefined) return key;
  }
  for (const row of sessionHeaders) {
    const key = usableKey(valueOf(headers, row));
    if (key !== undefined) return key;
  }
  return undefined;
}

function usableKey(value: string | undefined): string | undefined {
  const key = value?.trim() ?? "";
  return key === "" || key.length > keyCharactersMax ? undefined : key;
}
