import { readFileSync } from "node:fs";
import { z } from "zod";

/** A part of the schema of the chart's values. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>> | undefined;
  readonly items?: Shape | undefined;
}

const shape: z.ZodType<Shape> = z.lazy(() =>
  z.object({ properties: z.record(z.string(), shape).optional(), items: shape.optional() }),
);

/** Names of values; true where any value may stand. */
type Names = true | { readonly [name: string]: Names };

function namesOf({ properties, items }: Shape): Names {
  if (items !== undefined) return namesOf(items);
  if (properties === undefined) return true;
  return Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [name, namesOf(inner)]),
  );
}

/** The names that the schema of the chart's values has, for NOTES, which cannot read the schema. */
export function knownValuesText(schemaFile: string): string {
  const names = namesOf(shape.parse(JSON.parse(readFileSync(schemaFile, "utf8"))));
  return `${JSON.stringify(names, undefined, 2)}\n`;
}
