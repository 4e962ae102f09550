/** The oldest Node.js that runs Pointsman; package.json promises it. */
export const oldestNode = "22.19.0";

/** An error for people if `version` of Node.js is too old; otherwise undefined. */
export function nodeTooOld(version: string): string | undefined {
  const [have, need] = [version, oldestNode].map((text) => text.split(".").map(Number));
  const at = need?.findIndex((part, index) => part !== have?.[index]) ?? -1;
  if (at < 0 || (have?.[at] ?? 0) > (need?.[at] ?? 0)) return undefined;
  return `Node.js ${oldestNode} or later is needed, and this is ${version}`;
}
