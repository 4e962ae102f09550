import { describe, expect, it } from "vitest";
import { gatheredLog } from "#test/support/log-lines.ts";
import { createLogger, levelOfVerbosity, type LogLevel } from "./logger.ts";

describe("levelOfVerbosity", () => {
  it.each<[number, LogLevel]>([
    [-1, "warn"],
    [0, "warn"],
    [1, "warn"],
    [2, "info"],
    [3, "info"],
    [4, "debug"],
    [5, "trace"],
    [10, "trace"],
  ])("takes -v %i for %s", (verbosity, level) => {
    expect(levelOfVerbosity(verbosity)).toBe(level);
  });
});

describe("the logger", () => {
  it("writes one line of JSON with level, time, keys and message, and nothing of the machine", () => {
    const { log, written } = gatheredLog();
    log.info({ count: 2 }, "counted");
    expect(written).toHaveLength(1);
    const line: unknown = JSON.parse(written[0] ?? "");
    expect(line).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      count: 2,
      msg: "counted",
    });
  });

  it.each<[LogLevel, number]>([
    ["warn", 1],
    ["info", 2],
    ["debug", 3],
    ["trace", 4],
  ])("at level %s writes %i of four lines", (level, count) => {
    const { log, written } = gatheredLog(level);
    log.warn({}, "w");
    log.info({}, "i");
    log.debug({}, "d");
    log.trace({}, "t");
    expect(written).toHaveLength(count);
  });

  it("writes no credential, at the top or one level below", () => {
    const { log, written } = gatheredLog();
    const secrets = { authorization: "Bearer s3cret", apiKey: "s3cret", cookie: "s3cret" };
    log.info({ ...secrets, headers: secrets }, "secrets");
    expect(written.join("")).not.toContain("s3cret");
    expect(written.join("")).toContain("[Redacted]");
  });

  it("has nothing to flush where a stream takes the lines", async () => {
    const { flush } = createLogger("info", { write: () => undefined });
    await expect(flush()).resolves.toBeUndefined();
  });
});
