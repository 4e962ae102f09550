import { existsSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { start } from "#test/support/child.ts";
import { eventually } from "#test/support/wait.ts";

const support = path.resolve("test/support/child.ts");

// vitest ends a test file's process with SIGTERM.
it.each(["SIGTERM", "uncaught"])("leaves no process behind when a test dies: %s", async (how) => {
  const script = `import { start } from ${JSON.stringify(support)};
    console.log("started", start("sleep", ["60"]).pid);
    if (${how === "uncaught"}) throw new Error("the test dies");
    setInterval(() => {}, 1_000);`;
  const test = start(process.execPath, ["--input-type=module", "--eval", script]);
  const pid = (await test.line(/^started/)).split(" ")[1];
  if (how === "SIGTERM") test.signal(how);
  await test.ended;
  await eventually("the child has ended", () => !existsSync(`/proc/${pid}`) || undefined);
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});
