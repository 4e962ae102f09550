import { z } from "zod";
import type { LoadSnapshot } from "../../../core/load.ts";

/** The producer of attributes that a configuration defines by engine metrics. */
const defaultProducer = "core-metrics-extractor";

/** Name of an attribute that a plugin reads. */
export interface AttributeName {
  readonly attribute: string;
  /** Undefined for `core-metrics-extractor`, "" for any producer that has it. */
  readonly producer?: string | undefined;
}

/** Parameter for the producer of an attribute. */
export const attributeProducerParam = z.string().optional().meta({
  description:
    'The plugin that produces the attribute: `core-metrics-extractor` where it is left out, whichever has it where it is `""`.',
});

/** The mistake in a name; undefined if it is valid. */
export function mistakeInAttribute({ attribute, producer }: AttributeName): string | undefined {
  if (attribute === "") return "must not be empty";
  const at = attribute.lastIndexOf("/");
  if (producer !== undefined || at === -1) return undefined;
  // The older spelling `attribute/producer` in one string would name an attribute that never exists.
  const [name, producerName] = [attribute.slice(0, at), attribute.slice(at + 1)];
  return `has a "/" and no producer is given; for ${name} of ${producerName}, set the two separately`;
}

/** Returns a function that finds the attribute's values by slot, NaN if unknown; undefined if no producer has it. */
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
      // A producer's name has no "/", so the first "/" ends it.
      if (key.slice(key.indexOf("/") + 1) === attribute) return column;
    }
    return undefined;
  };
}

/** The signal of an attribute; none if any producer may have it. */
export function attributeSignals({
  attribute,
  producer = defaultProducer,
}: AttributeName): readonly string[] {
  return producer === "" ? [] : [`${producer}/${attribute}`];
}
