import type { MemoryKind } from "../../../core/plugin-states.ts";
import { setLatest } from "../../../std/set-latest.ts";

/** Maximum number of flows, about 150 bytes each; beyond it, the one that was served longest ago is dropped. */
const flowsMax = 100_000;

/** Milliseconds without a request that waits after which a flow counts as silent. */
const silentMs = 1_000;

/** The account of one flow. Times are monotonic milliseconds. */
interface Account {
  /** Tokens that it has received, divided by its weight. */
  tokens: number;
  /** The time at which a request of it waited last. */
  waitedMs: number;
}

/**
 * Start-time fair queueing in tokens: the flow goes first that has received the least for its weight. A flow that was silent
 * begins where the others are, so that it is owed nothing for that time.
 */
export class TokenShares {
  readonly #accounts = new Map<string, Account>();
  /** The tokens of the flow that was served last, before it was charged. Never falls. */
  #servedTokens = 0;

  get size(): number {
    return this.#accounts.size;
  }

  /** The tokens of a flow that waits now; the flow with the fewest has its turn. */
  tokensOf(id: string, nowMs: number): number {
    const account = this.#accountOf(id);
    if (nowMs - account.waitedMs > silentMs) this.#catchUp(account);
    account.waitedMs = nowMs;
    return account.tokens;
  }

  /** Charges a request that is sent. */
  sent(id: string, tokens: number): Account {
    const account = this.#accountOf(id);
    this.#servedTokens = Math.max(this.#servedTokens, account.tokens);
    account.tokens += tokens;
    this.#keep(id, account);
    return account;
  }

  /** Corrects the charge of a request that has ended; `tokens` may be negative. */
  ended(account: Account, tokens: number): void {
    account.tokens += tokens;
  }

  #catchUp(account: Account): void {
    account.tokens = Math.max(account.tokens, this.#servedTokens);
  }

  #accountOf(id: string): Account {
    const known = this.#accounts.get(id);
    if (known !== undefined) return known;
    const waitedMs = Number.NEGATIVE_INFINITY;
    const account = { tokens: this.#servedTokens, waitedMs };
    this.#keep(id, account);
    return account;
  }

  /** Makes a flow the latest one, and drops the one that was served longest ago if there are too many. */
  #keep(id: string, account: Account): void {
    setLatest(this.#accounts, [id, account], flowsMax);
  }
}

export const tokenSharesMemory: MemoryKind<TokenShares> = { create: () => new TokenShares() };
