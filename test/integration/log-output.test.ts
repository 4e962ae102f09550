import { describe, expect, it } from "vitest";
import { start } from "#test/support/child.ts";

const logger = new URL("../../src/telemetry/logger.ts", import.meta.url).href;

/** A process that logs so many lines and then ends in this way. */
function logging(lines: number, ending: string) {
  const program = `
    const { createLogger } = await import(${JSON.stringify(logger)});
    const { logger, flush } = createLogger("info");
    for (let index = 0; index < ${lines}; index += 1) logger.info({ index }, "counted");
    ${ending}`;
  return start(process.execPath, ["--input-type=module", "--eval", program]);
}

const numbersIn = (output: string) =>
  output.split("\n").flatMap((line) => {
    const index = /"index":(\d+)/.exec(line)?.[1];
    return index === undefined ? [] : [Number(index)];
  });

describe("the log on standard output", () => {
  it.each([
    ["a flush", "await flush();", 0],
    ["an exit at once", "process.exit(3);", 3],
    ["a mistake", 'throw new Error("a mistake");', 1],
    ["a rejection", 'void Promise.reject(new Error("a mistake"));', 1],
  ])("has every line of a process that ends by %s", async (_, ending, code) => {
    // 2,000 lines of 75 bytes are more than a pipe of 64 KiB holds.
    const child = logging(2_000, ending);
    expect(await child.ended).toBe(code);
    const numbers = numbersIn(child.output());
    expect(numbers.toSorted((a, b) => a - b)).toEqual([...Array(2_000).keys()]);
  });

  it("does not hold up a process whose log nobody reads", async () => {
    const child = start("/bin/sh", [
      "-c",
      `"$0" --input-type=module --eval '
        const { createLogger } = await import("${logger}");
        const { logger } = createLogger("info");
        for (let index = 0; index < 100000; index += 1) logger.info({ index }, "counted");
        process.stderr.write("went on");
        process.kill(process.pid, "SIGKILL");
      ' | sleep 1`,
      process.execPath,
    ]);
    await child.ended;
    expect(child.output()).toContain("went on");
  });
});
