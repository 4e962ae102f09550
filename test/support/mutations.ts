import fc from "fast-check";

/** One change of a document; `at` says where, as a number that any document can be cut down to. */
interface Mutation {
  readonly at: number;
  readonly kind: "delete" | "replace" | "duplicate" | "rename";
  readonly value: unknown;
  readonly text: string;
}

/** Values of every type, near to what documents have and far from it. */
const anyValue = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    0,
    -1,
    1,
    1e308,
    0.5,
    "",
    "default",
    "queue-scorer",
    "decode-filter",
    "prefix-cache-scorer",
    "max-score-picker",
    "approx-prefix-cache-producer",
    "flowControl",
    "5m",
    "1Gi",
    [],
    {},
    [[]],
    { pluginRef: "queue-scorer" },
    { type: "queue-scorer" },
  ),
  fc.string(),
  fc.jsonValue({ maxDepth: 2 }),
);

const aMutation: fc.Arbitrary<Mutation> = fc.record({
  // Small numbers, which fast-check prefers, would all mean the first fields.
  at: fc.noBias(fc.nat()),
  kind: fc.constantFrom("delete", "replace", "duplicate", "rename"),
  value: anyValue,
  text: fc.oneof(
    fc.constantFrom("plugins", "type", "name", "parameters", "pluginRef", "weight", "__proto__"),
    fc.string(),
  ),
});

/** Up to so many changes, one after another. */
export const mutations = (lengthMax: number): fc.Arbitrary<Mutation[]> =>
  fc.array(aMutation, { minLength: 1, maxLength: lengthMax });

/** The document with the changes made; the one that is given stays as it is. */
export function mutated(document: unknown, changes: readonly Mutation[]): unknown {
  const root = { document: structuredClone(document) };
  for (const { at, kind, value, text } of changes) {
    const places = placesIn(root);
    const place = places[at % places.length];
    if (place !== undefined) change(place, { kind, value: structuredClone(value), text });
  }
  return root.document;
}

interface Place {
  readonly parent: object;
  readonly key: string;
}

function change({ parent, key }: Place, { kind, value, text }: Omit<Mutation, "at">): void {
  const before: unknown = Reflect.get(parent, key);
  switch (kind) {
    case "delete":
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else Reflect.deleteProperty(parent, key);
      return;
    case "replace":
      put(parent, key, value);
      return;
    case "duplicate":
      if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(before));
      else put(parent, text, structuredClone(before));
      return;
    case "rename":
      if (Array.isArray(parent)) return;
      Reflect.deleteProperty(parent, key);
      put(parent, text, before);
  }
}

/** Also `__proto__` is a key like another. */
function put(parent: object, key: string, value: unknown): void {
  Object.defineProperty(parent, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** Every field and every entry, from the outside in. */
function placesIn(parent: object): Place[] {
  return Object.entries(parent).flatMap(([key, value]) => {
    const inner = typeof value === "object" && value !== null ? placesIn(value) : [];
    return [{ parent, key }].concat(inner);
  });
}
