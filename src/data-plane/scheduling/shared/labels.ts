/** The value of a label; undefined without it, also where every object has something by that name. */
export function labelOf(
  labels: Readonly<Record<string, string>>,
  label: string,
): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}
