import type { RequestLine } from "../telemetry/recording/lines.ts";
import { listsBy } from "./lab/measures.ts";
import { clientOf, endMsOf, wasAnswered } from "./recorded-answers.ts";

/** Answers of one client that it may still go on from. */
const openMax = 1_000;

/**
 * Requests of a client without a session, from which on its load is judged, and the share of the time that the most requests
 * it had at a time were all under way, if it sends one only after another has been answered. Independent arrivals are far
 * below that.
 */
const loopRequestsMin = 50;
const loopBusyMin = 0.9;

/**
 * The answer that a client had last before a request, if no other request went on from it: a client with two requests at a
 * time goes on from each of the two. For clients that name a session, and for those that keep a number of requests under
 * way.
 *
 * @param byPrompt the requests that others continue, as their prompts tell
 */
export function previousOfClients(
  requests: readonly RequestLine[],
  byPrompt: readonly (number | undefined)[],
): readonly (number | undefined)[] {
  const loops = loopsIn(requests);
  const open = new Map<string, Set<number>>();
  return requests.map((line, index) => {
    const client = clientOf(line);
    if (line.session === undefined && !loops.has(client)) return undefined;
    const own = open.get(client) ?? new Set();
    open.set(client, own);
    const found = byPrompt[index] ?? lastAnswered(requests, own, line.atMs);
    if (found !== undefined) own.delete(found);
    if (wasAnswered(line)) own.add(index);
    for (const earliest of own) {
      if (own.size <= openMax) break;
      own.delete(earliest);
    }
    return found;
  });
}

function lastAnswered(
  requests: readonly RequestLine[],
  open: ReadonlySet<number>,
  atMs: number,
): number | undefined {
  let [found, foundEndMs] = [undefined as number | undefined, Number.NEGATIVE_INFINITY];
  for (const index of open) {
    const before = requests[index];
    const endMs = before === undefined ? Number.POSITIVE_INFINITY : endMsOf(before);
    if (endMs <= atMs && endMs >= foundEndMs) [found, foundEndMs] = [index, endMs];
  }
  return found;
}

/** Clients without a session that keep a number of requests under way. */
function loopsIn(requests: readonly RequestLine[]): ReadonlySet<string> {
  const unnamed = requests.filter(({ session }) => session === undefined);
  const byClient = listsBy(unnamed, clientOf);
  return new Set(
    [...byClient].flatMap(([client, own]) => {
      return own.length >= loopRequestsMin && busyShareOf(own) >= loopBusyMin ? client : [];
    }),
  );
}

/** Time of all requests, as a share of that in which the most that were under way at a time would always have been. */
function busyShareOf(requests: readonly RequestLine[]): number {
  const changes = requests.flatMap((line) => [
    { atMs: line.atMs, by: 1 },
    { atMs: endMsOf(line), by: -1 },
  ]);
  // One that ends in the moment in which another comes was not under way with it.
  changes.sort((a, b) => a.atMs - b.atMs || a.by - b.by);
  let [underWay, most, sumMs] = [0, 0, 0];
  for (const { atMs, by } of changes) {
    underWay += by;
    most = Math.max(most, underWay);
    sumMs -= by * atMs;
  }
  const spanMs = (changes.at(-1)?.atMs ?? 0) - (changes[0]?.atMs ?? 0);
  return sumMs / (most * spanMs);
}
