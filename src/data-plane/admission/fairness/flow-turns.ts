import type { WaitingFlow } from "../../../core/flow-control.ts";
import type { MemoryKind } from "../../../core/plugin-states.ts";
import type { InferenceRequest } from "../../../core/request.ts";
import { setLatest } from "../../../std/set-latest.ts";

/** Maximum number of flows of a band, about 120 bytes each; beyond it, the one that was served longest ago is dropped. */
const flowsMax = 10_000;
/** Maximum number of bands; beyond it, the turns of the one that was made first are forgotten at the next reload. */
const bandsMax = 128;

/** The account of one flow. Tokens are divided by its weight. */
interface Account {
  /** Tokens that its requests may still cost in its turn; negative if they cost more. */
  credit: number;
  /** The last round whose quantum it has got. */
  round: number;
}

/**
 * Deficit round robin in tokens, over the flows of one band. The cost of a request is known when it has ended, so that a flow
 * is served while it has any credit, and its debts go on to its next turns. In each round, every flow that waits gets one
 * quantum, and the next round begins once none of them has credit left.
 *
 * A flow whose request was picked, and not sent, keeps its credit, and the turn goes on: its requests may wait for an engine
 * that is busy.
 */
export class FlowTurns {
  quantumTokens: number;
  readonly #accounts = new Map<string, Account>();
  #round = 1;
  /** The flow whose turn it is. */
  #current = "";
  /** True from a pick until its request is sent. */
  #isUnsent = false;

  constructor(quantumTokens: number) {
    this.quantumTokens = quantumTokens;
  }

  get size(): number {
    return this.#accounts.size;
  }

  /** The flow whose turn is next. `flows`: those that wait, by ascending id, at least one. */
  pick(flows: readonly WaitingFlow[]): WaitingFlow | undefined {
    const from = firstFrom(flows, this.#current, this.#isUnsent);
    const picked = this.#withCredit(flows, from) ?? this.#inNextRound(flows);
    this.#isUnsent = true;
    if (picked !== undefined) this.#current = picked.fairnessId;
    return picked;
  }

  /** Charges the request that was picked last, which is sent. */
  sent(id: string, tokens: number): Account {
    this.#isUnsent = false;
    const account = this.#accountOf(id);
    account.credit -= tokens;
    this.#keep(id, account);
    return account;
  }

  /** Corrects the charge of a request that has ended; `tokens` may be negative. */
  ended(account: Account, tokens: number): void {
    account.credit -= tokens;
  }

  /** The first flow with credit in this round, from an index on and around. */
  #withCredit(flows: readonly WaitingFlow[], from: number): WaitingFlow | undefined {
    for (let offset = 0; offset < flows.length; offset += 1) {
      const flow = flows[(from + offset) % flows.length];
      if (flow !== undefined && this.#creditOf(flow.fairnessId) > 0) return flow;
    }
    return undefined;
  }

  /** Goes on to the next round in which a flow has credit, of flows that have none in this one. */
  #inNextRound(flows: readonly WaitingFlow[]): WaitingFlow | undefined {
    let most = Number.NEGATIVE_INFINITY;
    for (const { fairnessId } of flows) most = Math.max(most, this.#creditOf(fairnessId));
    this.#round += Math.floor(-most / this.quantumTokens) + 1;
    return this.#withCredit(flows, 0);
  }

  /** The credit of a flow in this round. */
  #creditOf(id: string): number {
    const account = this.#accountOf(id);
    const rounds = this.#round - account.round;
    if (rounds > 0) {
      // The rounds that it missed pay its debts off, and save nothing up; this one gives it a quantum.
      const debt = Math.min(0, account.credit + (rounds - 1) * this.quantumTokens);
      account.credit = debt + this.quantumTokens;
      account.round = this.#round;
    }
    return account.credit;
  }

  #accountOf(id: string): Account {
    const known = this.#accounts.get(id);
    if (known !== undefined) return known;
    const account = { credit: 0, round: this.#round - 1 };
    this.#keep(id, account);
    return account;
  }

  /** Makes a flow the latest one, and drops the one that was served longest ago if there are too many. */
  #keep(id: string, account: Account): void {
    setLatest(this.#accounts, [id, account], flowsMax);
  }
}

/** The index of the first flow at or after an id, or after it; 0 if there is none. */
function firstFrom(flows: readonly WaitingFlow[], id: string, isAfter: boolean): number {
  let from = 0;
  let to = flows.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const each = flows[middle]?.fairnessId ?? "";
    if (each < id || (isAfter && each === id)) from = middle + 1;
    else to = middle;
  }
  return from % flows.length;
}

/** The turns of all bands. */
class BandTurns {
  readonly #byPriority = new Map<number, FlowTurns>();
  #quantumTokens: number;
  /** The request that was picked last, until it is sent. */
  picked: { readonly request: InferenceRequest; readonly turns: FlowTurns } | undefined;

  constructor(quantumTokens: number) {
    this.#quantumTokens = quantumTokens;
  }

  set quantumTokens(tokens: number) {
    this.#quantumTokens = tokens;
    for (const turns of this.#byPriority.values()) turns.quantumTokens = tokens;
  }

  of(priority: number): FlowTurns {
    const known = this.#byPriority.get(priority);
    if (known !== undefined) return known;
    const turns = new FlowTurns(this.#quantumTokens);
    for (const oldest of this.#byPriority.keys()) {
      if (this.#byPriority.size < bandsMax) break;
      this.#byPriority.delete(oldest);
    }
    this.#byPriority.set(priority, turns);
    return turns;
  }
}

interface TurnSettings {
  readonly quantumTokens: number;
}

export const bandTurnsMemory: MemoryKind<BandTurns, TurnSettings> = {
  create: ({ quantumTokens }) => new BandTurns(quantumTokens),
  configure: (bands, { quantumTokens }) => {
    bands.quantumTokens = quantumTokens;
  },
};
