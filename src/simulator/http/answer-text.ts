/**
 * Words of 4 bytes on average, with the space before each: the size of a token of a prompt, so that an
 * answer has as many tokens in the next prompt of its conversation.
 */
const words = [
  "the", "signal", "turns", "green", "and", "every", "wagon", "rolls",
  "by", "as", "it", "goes", "on", "to", "the", "old",
  "yard", "so", "we", "may", "go", "up", "to", "sea",
  "or", "be", "at", "it", "in", "no", "time", "now",
]; // prettier-ignore

const cycle = ` ${words.join(" ")}`;

/** The text of an output's token at `index`, from 0: always the same words. */
export function tokenTextOf(index: number): string {
  const word = words[index % words.length] ?? "";
  return index === 0 ? word : ` ${word}`;
}

/** The text of the first `tokens` tokens. */
export function outputTextOf(tokens: number): string {
  const rest = words.slice(0, tokens % words.length).map((word) => ` ${word}`);
  return (cycle.repeat(Math.floor(tokens / words.length)) + rest.join("")).slice(1);
}
