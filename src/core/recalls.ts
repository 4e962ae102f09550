/**
 * Answers of memories and headers that plugins asked for one decision. A record keeps them, because the memories change and
 * the headers are not kept: so the same decision can be made again later.
 */
export interface Recalls {
  /** By the plugin's name and the question; undefined if no plugin has asked. */
  values: Map<string, unknown> | undefined;
  /** True if the decision is made again: plugins get the answers that they got the first time. */
  readonly isAgain: boolean;
}

/**
 * The answer to a question about anything but the inputs of a decision. A plugin that keeps a memory or reads headers in a
 * filter, scorer or handler asks in this way, under a key of its own; a later call in the same decision gets the same
 * answer. Answers are kept for thousands of decisions, so they are short.
 */
export function recalled<Value>(
  { recalls }: { readonly recalls?: Recalls | undefined },
  key: string,
  read: () => Value,
): Value {
  if (recalls === undefined) return read();
  const { values } = recalls;
  // Written below, under the same key.
  if (values?.has(key) === true) return values.get(key) as Value;
  // The first time, the plugin did not ask: it cannot be the same decision, so any answer will do.
  if (recalls.isAgain) return read();
  const value = read();
  recalls.values = (values ?? new Map<string, unknown>()).set(key, value);
  return value;
}
