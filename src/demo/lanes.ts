import type { Clock } from "../std/clock.ts";
import { Client } from "./client.ts";
import { Target } from "./load.ts";
import type { PolicyName } from "./policies.ts";
import type { Pool, Stack } from "./stack.ts";
import { Tally } from "./tally.ts";

/** Requests under way at a time at one pool: many times what the default load needs. */
const concurrentMax = 512;

/** A pool's part of the load: the client, what is under way and the results. */
class Lane {
  readonly tally = new Tally();
  readonly target: Target;
  readonly #client: Client;

  constructor({ url }: Pool, clock: Clock) {
    this.#client = new Client(url, clock);
    this.target = new Target({
      concurrentMax,
      send: (request, cut) => this.#client.send(request, cut),
      onOutcome: (outcome) => this.tally.add(outcome),
    });
  }

  end() {
    const { requestsUnfinished, requestsHeldBack } = this.target;
    return { results: this.tally.results, requestsUnfinished, requestsHeldBack };
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}

export type Lanes = Readonly<Record<PolicyName, Lane>>;

export function lanesTo(stack: Stack, clock: Clock): Lanes {
  return {
    roundRobin: new Lane(stack.roundRobin, clock),
    pointsman: new Lane(stack.pointsman, clock),
  };
}
