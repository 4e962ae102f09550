/** The value of a label. Own properties only: a label named `constructor` is not inherited. */
export function labelOf(
  labels: Readonly<Record<string, string>>,
  label: string,
): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}
