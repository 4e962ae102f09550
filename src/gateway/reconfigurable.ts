/** A part of the gateway that changes when another configuration comes into force. */
export interface Reconfigurable<Config> {
  /** The part's name in logs. */
  readonly name: string;
  /**
   * Gets ready for `next` while `previous` is in force. Changes nothing, and holds nothing that has
   * to be released: a preparation may be dropped.
   */
  prepare(next: Config, previous: Config): Prepared | Promise<Prepared>;
}

export type Prepared = Ready | Refused;

interface Ready {
  readonly kind: "ready";
  /** Changes over. Synchronous, and must not throw: work that can fail belongs in `prepare`. */
  readonly commit: () => void;
}

/** Mistakes of a configuration; nothing has changed. */
export interface Refused {
  readonly kind: "invalid";
  readonly mistakes: readonly string[];
}

/** A part that is ready to change over. */
export interface ReadyPart {
  readonly name: string;
  readonly commit: () => void;
}

type PreparedParts = { readonly kind: "ready"; readonly parts: readonly ReadyPart[] } | Refused;

/**
 * Prepares every part. If any refuse, returns the mistakes of all that do, and nothing has changed.
 */
export async function prepareAll<Config>(
  parts: readonly Reconfigurable<Config>[],
  next: Config,
  previous: Config,
): Promise<PreparedParts> {
  const ready: ReadyPart[] = [];
  const mistakes: string[] = [];
  for (const part of parts) {
    // One after another, so that mistakes come in the same order each time.
    const prepared = await part.prepare(next, previous);
    if (prepared.kind === "invalid") mistakes.push(...prepared.mistakes);
    else ready.push({ name: part.name, commit: prepared.commit });
  }
  return mistakes.length === 0 ? { kind: "ready", parts: ready } : { kind: "invalid", mistakes };
}

/**
 * Commits every part in one synchronous step, so that no request sees parts of two configurations.
 * A commit that throws is a bug; the others still take effect, since they cannot be undone and
 * should agree with each other. Returns the errors.
 */
export function commitAll(
  parts: readonly ReadyPart[],
): { readonly part: string; readonly cause: unknown }[] {
  return parts.flatMap(({ name, commit }) => {
    try {
      commit();
      return [];
    } catch (cause) {
      return [{ part: name, cause }];
    }
  });
}

/** For a part that the next configuration does not affect. */
export const unchanged: Prepared = { kind: "ready", commit: () => undefined };
