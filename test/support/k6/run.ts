import { record } from "./record.ts";
import { registerStandIns } from "./register.ts";

/**
 * Runs a k6 script without k6: `run.ts FILE ITERATIONS NAME=VALUE...` calls `setup`, then the
 * function of each scenario that often, each time as another user, and prints the record.
 */
const [file = "", iterations = "1", ...variables] = process.argv.slice(2);
const environment: Record<string, string> = Object.fromEntries(
  variables.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
);

interface Scenario {
  readonly exec: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Script {
  readonly options: { readonly scenarios: Readonly<Record<string, Scenario>> };
  readonly setup: () => unknown;
  readonly [exec: string]: unknown;
}

Object.assign(globalThis, { __ENV: environment, __VU: 0, __ITER: 0 });
registerStandIns();
// A script that lacks one of these fails here, as it would in k6.
const script = (await import(file)) as Script;
const data: unknown = JSON.parse(JSON.stringify(script.setup()));
for (const { exec, env } of Object.values(script.options.scenarios)) {
  Object.assign(globalThis, { __ENV: { ...environment, ...env } });
  const iterate = script[exec];
  if (typeof iterate !== "function") throw new Error(`${file} exports no function ${exec}`);
  for (let iteration = 0; iteration < Number(iterations); iteration += 1) {
    Object.assign(globalThis, { __VU: iteration + 1, __ITER: iteration });
    iterate(data);
  }
}
process.stdout.write(`${JSON.stringify({ options: script.options, ...record })}\n`);
process.exit(0);
