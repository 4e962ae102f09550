import type { RequestLine } from "../telemetry/recording/lines.ts";
import { previousOfClients } from "./previous-of-clients.ts";
import { previousPrompts } from "./previous-prompts.ts";
import { endMsOf } from "./recorded-answers.ts";

/** The request whose answer a client had before it sent a further one. */
export interface PreviousTurn {
  /** Its index. */
  readonly request: number;
  /** Milliseconds from the end of its answer to the further request. */
  readonly thinkMs: number;
}

/**
 * For each request of a recording the one that it waited for; undefined if none is known. A request continues another one
 * if its prompt begins with the whole prompt of that one, whose answer was complete when it came; else if it is the next one
 * of the same client after that answer, as far as clients can be told apart.
 *
 * @param requests in the order of arrival
 */
export function previousTurnsOf(
  requests: readonly RequestLine[],
): readonly (PreviousTurn | undefined)[] {
  const byPrompt = previousPrompts(requests);
  const byClient = previousOfClients(requests, byPrompt);
  return requests.map(({ atMs }, index) => {
    const request = byPrompt[index] ?? byClient[index];
    const before = request === undefined ? undefined : requests[request];
    if (request === undefined || before === undefined) return undefined;
    return { request, thinkMs: atMs - endMsOf(before) };
  });
}
