#!/usr/bin/env node
import { type CommandContext, failureLinesOf, UsageError } from "./cli/command.ts";
import { commandFor } from "./cli/commands.ts";
import { nodeTooOld } from "./cli/node-version.ts";

const stop = new AbortController();
const cut = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) cut.abort(signal);
    else stop.abort(signal);
  });
}

for (const output of [process.stdout, process.stderr]) {
  output.on("error", (error: NodeJS.ErrnoException) => {
    // A reader such as `head` may leave before the end. A server goes on without it.
    if (error.code !== "EPIPE") throw error;
  });
}

const { command, name, argv } = commandFor(process.argv.slice(2), process.env);
const context: CommandContext = {
  argv,
  env: process.env,
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  stop: stop.signal,
  cut: cut.signal,
};

const tooOld = nodeTooOld(process.versions.node);
try {
  // Commands load what an older Node.js cannot even parse.
  if (tooOld !== undefined) throw new UsageError([tooOld]);
  process.exitCode = await command.run(context);
} catch (cause) {
  for (const line of failureLinesOf(cause)) process.stderr.write(`pointsman ${name}: ${line}\n`);
  process.exitCode = 1;
}
