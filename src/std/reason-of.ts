/** Why something failed, in one line: the message of an error, or the text of whatever else was thrown. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
