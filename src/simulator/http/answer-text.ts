const words = [
  "the", "signal", "turns", "green", "and", "every", "wagon", "rolls", "along", "its", "track",
  "past", "the", "yard", "until", "a", "lever", "moves", "points", "north", "where", "lamps",
  "glow", "over", "quiet", "sidings", "while", "engines", "wait", "for", "morning", "trains",
]; // prettier-ignore

/** The text of an output's token at `index`, from 0: always the same words. */
export function tokenTextOf(index: number): string {
  const word = words[index % words.length] ?? "";
  return index === 0 ? word : ` ${word}`;
}

/** The text of the first `tokens` tokens. */
export function outputTextOf(tokens: number): string {
  return Array.from({ length: tokens }, (_, index) => tokenTextOf(index)).join("");
}
