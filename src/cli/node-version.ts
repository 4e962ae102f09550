/** The oldest Node.js that runs Pointsman; package.json promises it. */
export const oldestNode = "22.19.0";

/** The error to print if `version` of Node.js is too old; undefined if it is not. */
export function nodeTooOld(version: string): string | undefined {
  const [have, need] = [version, oldestNode].map((text) => text.split(".").map(Number));
  const at = need?.findIndex((part, index) => part !== have?.[index]) ?? -1;
  if (at < 0 || (have?.[at] ?? 0) > (need?.[at] ?? 0)) return undefined;
  return `Node.js ${oldestNode} or later is needed, and this is ${version}`;
}
