import type { RequestHead } from "./request.ts";

/** Longest value of a field that a client chooses, in characters. */
const fieldCharactersMax = 256;

/** Maximum characters of a session id or an identity, which a client chooses; a longer one is ignored. */
export const identityCharactersMax = 512;

/** Clients choose these values; a prompt sent as a model's name must not fill the log. */
export function cut(text: string): string {
  return text.length <= fieldCharactersMax ? text : `${text.slice(0, fieldCharactersMax)}…`;
}

/** The query may carry keys. */
export function pathOf({ path }: RequestHead): string {
  return path.split("?", 1)[0] ?? "";
}
