import type { Command, CommandContext } from "./command.ts";
import { check } from "./check.ts";
import { demo } from "./demo.ts";
import { isFlagSetIn } from "./flags.ts";
import { serveFlags } from "./serve-flags.ts";
import { serve } from "./serve.ts";
import { sim } from "./sim.ts";
import { status } from "./status.ts";

const commands: Readonly<Record<string, Command>> = { serve, sim, demo, check, status };

const help: Command = {
  summary: "this text",
  run({ stdout }) {
    const lines = Object.entries(commands).map(
      ([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`,
    );
    stdout(
      `Usage: pointsman COMMAND [flags]\n\n${lines.join("\n")}\n\n` +
        "pointsman COMMAND --help lists the flags of a command. Without a command, flags mean serve.\n",
    );
    return Promise.resolve(0);
  },
};

/**
 * The command a command line names. Flags without a command mean `serve`, and so does an empty
 * command line where the environment sets one of its flags, as in a container.
 */
export function commandFor(
  argv: readonly string[],
  env: CommandContext["env"],
): {
  readonly command: Command;
  readonly name: string;
  readonly argv: readonly string[];
} {
  const [first, ...rest] = argv;
  if (first === undefined && isFlagSetIn(serveFlags, env)) {
    return { command: serve, name: "serve", argv };
  }
  if (first === undefined || first === "help") return { command: help, name: "help", argv: rest };
  if (first === "--help" && rest.length === 0) return { command: help, name: "help", argv: rest };
  const command = Object.hasOwn(commands, first) ? commands[first] : undefined;
  if (command !== undefined) return { command, name: first, argv: rest };
  if (first.startsWith("-") || first === "") return { command: serve, name: "serve", argv };
  return { command: unknown(first), name: first, argv: rest };
}

function unknown(name: string): Command {
  return {
    summary: "",
    run({ stderr }) {
      stderr(
        `pointsman: there is no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(", ")}\n`,
      );
      return Promise.resolve(2);
    },
  };
}
