const mistakesMax = 10;

/** Lines of the gateway's output that show a bug, or that a client has written into the log. */
export function mistakesIn(output: string): readonly string[] {
  const mistakes: string[] = [];
  const lines = output.split("\n");
  const first = lines.findIndex((line) => line.includes('"msg":"listening"'));
  for (const line of lines.slice(first)) {
    if (mistakes.length >= mistakesMax) break;
    if (/uncaught|unhandled|Warning:|"level":"(?:error|fatal)"/iu.test(line))
      mistakes.push(`log: ${line}`);
    else if (!isUsual(line)) mistakes.push(`log line that is not JSON: ${JSON.stringify(line)}`);
  }
  return mistakes;
}

/** A record of the log, a line of the greeting, or one of the inspector. */
function isUsual(line: string): boolean {
  if (!line.startsWith("{")) {
    return /^(?:$|gateway |metrics |live page |endpoint |try |\s+-d |Debugger|For help|$)/u.test(
      line,
    );
  }
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
