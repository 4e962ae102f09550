import { type Random, seededRandom } from "../../src/std/random.ts";
import type { ReplayRequest } from "./health-replay.ts";

interface LoadOptions {
  readonly seed: number;
  readonly requestsPerSecond: number;
  readonly lengthMs: number;
}

type RequestParts = Omit<ReplayRequest, "atMs">;

/** Requests of many independent clients at random moments. */
export function arrivals(
  { seed, requestsPerSecond, lengthMs }: LoadOptions,
  next: (random: Random, atMs: number) => RequestParts,
): ReplayRequest[] {
  const random = seededRandom(seed);
  const requests: ReplayRequest[] = [];
  for (let atMs = 0; ;) {
    atMs += (-Math.log(1 - random()) / requestsPerSecond) * 1_000;
    if (atMs >= lengthMs) return requests;
    requests.push({ atMs, ...next(random, atMs) });
  }
}

export function between(random: Random, min: number, max: number): number {
  return min + Math.floor(random() * (max - min + 1));
}

/** The load of loadtest/reliability: 530 tokens, most with one of 48 beginnings. */
export function chats(options: LoadOptions): ReplayRequest[] {
  return arrivals(options, (random) => ({
    promptTokens: between(random, 420, 640),
    sharedTokens: 352,
    ...(random() < 0.6 ? { prefix: between(random, 0, 47) } : {}),
    outputTokens: between(random, 6, 18),
  }));
}

/** Short chats of many clients, at every engine unless each sticks to one. */
export function shortChats(
  options: LoadOptions,
  sticksTo?: (atMs: number) => number,
): ReplayRequest[] {
  return arrivals(options, (random, atMs) => ({
    promptTokens: between(random, 30, 300),
    outputTokens: between(random, 10, 60),
    client: between(random, 100, 200),
    ...(sticksTo === undefined ? {} : { sticksTo: sticksTo(atMs) }),
  }));
}

/** One tenant's documents, some of which are asked about again. */
export function documents(
  options: LoadOptions,
  sticksTo: (atMs: number) => number,
): ReplayRequest[] {
  return arrivals(options, (random, atMs) => ({
    promptTokens: between(random, 6_500, 7_500),
    sharedTokens: 6_400,
    prefix: 1_000 + between(random, 0, 30),
    outputTokens: between(random, 20, 80),
    client: 1,
    sticksTo: sticksTo(atMs),
  }));
}

/** Nine of ten short, one of 20,000 to 50,000 tokens. */
export function mix(options: LoadOptions): ReplayRequest[] {
  return arrivals(options, (random) =>
    random() < 0.9
      ? {
          promptTokens: between(random, 100, 1_000),
          outputTokens: between(random, 20, 100),
          client: between(random, 1, 50),
        }
      : {
          promptTokens: between(random, 20_000, 50_000),
          outputTokens: between(random, 20, 100),
          client: between(random, 51, 60),
        },
  );
}
