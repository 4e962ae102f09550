/** Header lookup by lower-case name; a repeated header gives its first value. A `Map` satisfies it. */
export interface HeaderValues {
  get(name: string): string | undefined;
  /** True if a header is there more than once. Left out if repetitions are not kept. */
  isRepeated?(name: string): boolean;
}

/** A header to set; the name is in lower case. */
export type HeaderPair = readonly [name: string, value: string];

/** A request before its body. */
export interface RequestHead {
  /** `x-request-id`, or a generated id. */
  readonly id: string;
  readonly method: string;
  /** As the gateway sends it, with any prefix and query. */
  readonly path: string;
  readonly headers: HeaderValues;
  /** Name of the API key that the client has shown; undefined if it has shown none. */
  readonly keyName?: string | undefined;
  /** The gateway's subset hint: `ip:port` or `ip` each; undefined if it gave none. */
  readonly subset: readonly string[] | undefined;
  /** Index of the thread that took it; undefined if that is the main thread. */
  readonly worker?: number | undefined;
}

/**
 * The API of a request, as far as its body is understood. `json` and `form` are bodies of other APIs, of which only the
 * model is read. Of `passthrough`, nothing is read.
 */
export type ApiDialect =
  | "chat"
  | "completions"
  | "embeddings"
  | "responses"
  | "conversations"
  | "images"
  | "messages"
  | "count-tokens"
  | "vllm-generate"
  | "sglang-generate"
  | "json"
  | "form"
  | "passthrough";

/**
 * A piece of the prompt, in the order in which the engine reads it.
 *
 * Text pieces are kept separate, so that roles, tools and contents can be hashed in order without building one large
 * string. A prompt of token ids has no text.
 */
export type PromptPart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tokens"; readonly tokenIds: readonly number[] }
  /** An image, audio or video: `reference` is its URL or inline data, never logged. */
  | { readonly kind: "media"; readonly mediaType: string; readonly reference: string };

/** One parsed inference request. */
export interface InferenceRequest {
  readonly head: RequestHead;
  readonly dialect: ApiDialect;
  /** The model or LoRA adapter that the client named; "" if the request names none. */
  readonly model: string;
  /** The model that the engine is asked for: `model`, unless it was rewritten. */
  readonly targetModel: string;
  /** Prompts with different salts share no cached prefix; "" if the client sets none. */
  readonly cacheSalt: string;
  /** The client's name of the conversation in the body, such as `prompt_cache_key`; "" if there is none. */
  readonly sessionKey: string;
  /** Id of the stored response or conversation that the request continues or refers to; "" if there is none. */
  readonly storedId: string;
  readonly isStreaming: boolean;
  /** Identity of the agent that sent it, if a plugin reads it. */
  readonly agentId?: string | undefined;
  /** Priority of the request's objective, 0 without one. A request of a priority below 0 may be shed. */
  readonly priority: number;
  /** One list per prompt; a batch of completions or embeddings has several. */
  readonly prompts: readonly (readonly PromptPart[])[];
  /** Parts of the first prompt up to the end of the user's first messages; 0 if it has no messages of a user. */
  readonly openingParts: number;
  /** Prompt tokens; for text an estimate: one per 4 UTF-8 bytes, rounded up. */
  readonly promptTokens: number;
  /** Maximum output tokens that the client allows; undefined if it sets no limit. */
  readonly outputTokensMax: number | undefined;
  readonly bodyBytes: number;
}
