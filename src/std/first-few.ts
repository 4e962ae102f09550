/** By default as many as one log line names. */
const usualMax = 10;

/** The first `max` items, and how many more there are: a line that names thousands helps no reader. */
export function firstFew(items: readonly string[], max = usualMax): readonly string[] {
  const hidden = items.length - max;
  return hidden > 0 ? [...items.slice(0, max), `and ${hidden} more`] : items;
}
