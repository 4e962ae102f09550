import { readFileSync } from "node:fs";
import { placeAbove } from "./place-above.ts";

/** The version of this package. */
export function ownVersion(): string {
  const text = readFileSync(placeAbove(import.meta.dirname, "package.json"), "utf8");
  // Our own file, in which npm requires the field.
  return (JSON.parse(text) as { version: string }).version;
}
