import { z } from "zod";
import type { LoadSnapshot } from "../../../core/load.ts";

/** The producer of the attributes that a configuration defines from metrics. */
const defaultProducer = "core-metrics-extractor";

/** Which attribute of endpoints a plugin reads. */
export interface AttributeName {
  readonly attribute: string;
  /** Undefined for `core-metrics-extractor`, "" for whichever producer has it. */
  readonly producer?: string | undefined;
}

/** What names the producer of an attribute in a plugin's parameters. */
export const attributeProducerParam = z.string().optional().meta({
  description:
    'The plugin that produces the attribute: `core-metrics-extractor` where it is left out, whichever has it where it is `""`.',
});

/** Why a name does not do; undefined when it does. */
export function mistakeInAttribute({ attribute, producer }: AttributeName): string | undefined {
  if (attribute === "") return "must not be empty";
  const at = attribute.lastIndexOf("/");
  if (producer !== undefined || at === -1) return undefined;
  // An older spelling is attribute/producer in one, which would name an attribute that never comes.
  const [name, producerName] = [attribute.slice(0, at), attribute.slice(at + 1)];
  return `has a "/" and no producer is given; for ${name} of ${producerName}, set the two separately`;
}

/** Finds the attribute's values by slot, NaN where unknown; undefined where nobody produces it. */
export function attributeColumn({
  attribute,
  producer = defaultProducer,
}: AttributeName): (load: LoadSnapshot) => Float64Array | undefined {
  if (producer !== "") {
    const key = `${producer}/${attribute}`;
    return ({ attributes }) => attributes.get(key);
  }
  return ({ attributes }) => {
    for (const [key, column] of attributes) {
      // A producer's name has no "/", so the first one ends it.
      if (key.slice(key.indexOf("/") + 1) === attribute) return column;
    }
    return undefined;
  };
}

/** The signal that an attribute is; none where any producer's will do. */
export function attributeSignals({
  attribute,
  producer = defaultProducer,
}: AttributeName): readonly string[] {
  return producer === "" ? [] : [`${producer}/${attribute}`];
}
