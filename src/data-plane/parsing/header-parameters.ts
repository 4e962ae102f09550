const parameter =
  /;\s*(?<name>[^\s=;]+)\s*=\s*(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<token>[^\s;]*))/gu;

/**
 * The parameters after the first semicolon of a header's value, by lower-case name; the first of a repeated name is
 * used.
 */
export function parametersOf(value: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const { groups } of value.matchAll(parameter)) {
    const name = groups?.["name"]?.toLowerCase() ?? "";
    const text = groups?.["quoted"]?.replaceAll(/\\(.)/gu, "$1") ?? groups?.["token"] ?? "";
    if (!parameters.has(name)) parameters.set(name, text);
  }
  return parameters;
}
