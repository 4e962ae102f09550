import type { ErrorCode } from "../../core/errors.ts";
import type { EndedBy, RequestEnd } from "../../core/request-record.ts";

/** The `format` of a recording's first line. */
export const recordingFormat = "pointsman-recording";
/** Version of the lines. A reader refuses a later one. */
export const recordingVersion = 1;
/** Characters of one block in `blocks`: 48 bits in base64url. */
export const blockCharacters = 8;

/** The first line of each file of a recording. */
export interface HeaderLine {
  readonly format: typeof recordingFormat;
  readonly version: number;
  /** ISO 8601. All times in the file count from here. */
  readonly startedAt: string;
  /** Version of Pointsman. */
  readonly pointsman: string;
}

/** An endpoint as the picker knows it. */
export interface EndpointLine {
  readonly endpoint: string;
  /** Tokens of a block and blocks of the KV cache, as the engine reports them; undefined if it does not. */
  readonly blockTokens?: number | undefined;
  readonly kvBlocks?: number | undefined;
  readonly adaptersMax?: number | undefined;
  /** Learned speed of prefill; undefined until a first token has taught one. */
  readonly prefillTokensPerSecond?: number | undefined;
  /** True if it takes no new requests. */
  readonly draining?: true | undefined;
}

/** The pool and the document; written at the start of a file, when either changes, and once a minute. */
export interface StateLine {
  readonly state: {
    readonly atMs: number;
    readonly document: {
      readonly hash: string;
      /** Undefined if an earlier line of the file has the text of this hash. */
      readonly text?: string | undefined;
    };
    readonly endpoints: readonly EndpointLine[];
  };
}

/** An attempt that failed, or that was given up, before the one that served. */
export interface AttemptLine {
  readonly endpoint: string;
  readonly status?: number | undefined;
}

/** A request that is over. Undefined for what was not seen, and false where a member is missing. */
export interface RequestLine {
  /** Arrival. */
  readonly atMs: number;
  readonly api?: string | undefined;
  /**
   * The model that the client named, and the one that the engine was asked for, if it is another. A keyed hash until an
   * engine has answered for this name without an error: clients can name anything.
   */
  readonly model?: string | undefined;
  readonly targetModel?: string | undefined;
  /** The engine reported the target model as a LoRA adapter. */
  readonly adapter?: true | undefined;
  /** Keyed hashes. */
  readonly tenant?: string | undefined;
  readonly session?: string | undefined;
  readonly objective?: string | undefined;
  readonly priority?: number | undefined;
  readonly sloTtftMs?: number | undefined;
  readonly sloTpotMs?: number | undefined;
  readonly stream?: true | undefined;
  readonly bodyBytes?: number | undefined;
  /** As the picker estimates them. */
  readonly promptTokens?: number | undefined;
  readonly outputTokensMax?: number | undefined;
  /** Tokens of a block in `blocks`. The last block of a prompt may have fewer. */
  readonly blockTokens?: number | undefined;
  /** One text for each prompt, with `blockCharacters` for each block: equal blocks have equal beginnings before them. */
  readonly blocks?: readonly string[] | undefined;

  /** The decision, after the arrival. */
  readonly decidedMs?: number | undefined;
  readonly endpoint?: string | undefined;
  readonly candidates?: number | undefined;
  readonly predictedTtftMs?: number | undefined;
  readonly predictedTpotMs?: number | undefined;
  readonly predictedCachedTokens?: number | undefined;
  /** Time in the queue and the reason for it. */
  readonly waitedMs?: number | undefined;
  readonly heldBy?: string | undefined;
  readonly refusal?: ErrorCode | undefined;
  readonly attempts?: readonly AttemptLine[] | undefined;

  /** The answer. Times are after the arrival. */
  readonly status?: number | undefined;
  readonly firstTokenMs?: number | undefined;
  readonly lastMs?: number | undefined;
  readonly endedMs: number;
  readonly end: RequestEnd;
  readonly endedBy?: EndedBy | undefined;
  /** As the engine counts them. */
  readonly usagePromptTokens?: number | undefined;
  readonly cachedTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  /** Pieces of the answer's body. */
  readonly chunks?: number | undefined;
}
