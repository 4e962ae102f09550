import { ownVersion } from "../std/own-version.ts";
import type { Command, CommandContext } from "./command.ts";
import { isFlagSetIn } from "./flags.ts";
import { serveFlags } from "./serve-flags.ts";

const summaries = {
  gateway: "run an OpenAI-compatible HTTP gateway, without Envoy",
  serve: "run the endpoint picker (ext_proc gRPC server)",
  sim: "run simulated engines with an OpenAI API",
  demo: "run engines, picker and load, with a live view",
  check: "validate a configuration and print the effective document",
  status: "show the pool of a running picker",
  explain: "tell why a request went where it went",
  hits: "show where prefix cache hits are lost, and what to do",
  shadow: "compare the shadow document of a running picker with the one in force",
  doctor: "find faults in engines, a running picker or a configuration",
  replay: "run recorded requests again, under any configuration",
  tune: "search the weights of scorers on recorded requests",
};

/** Each is loaded when it runs: what `serve` alone needs takes half a second. */
const commands: Readonly<Record<keyof typeof summaries, Command>> = {
  gateway: lazily(async () => (await import("./gateway.ts")).gateway),
  serve: lazily(async () => (await import("./serve.ts")).serve),
  sim: lazily(async () => (await import("./sim.ts")).sim),
  demo: lazily(async () => (await import("./demo.ts")).demo),
  check: lazily(async () => (await import("./check.ts")).check),
  status: lazily(async () => (await import("./status.ts")).status),
  explain: lazily(async () => (await import("./explain.ts")).explain),
  hits: lazily(async () => (await import("./hits.ts")).hits),
  shadow: lazily(async () => (await import("./shadow.ts")).shadow),
  doctor: lazily(async () => (await import("./doctor.ts")).doctor),
  replay: lazily(async () => (await import("./replay.ts")).replay),
  tune: lazily(async () => (await import("./tune.ts")).tune),
};

function lazily(load: () => Promise<Command>): Command {
  return { run: async (context) => (await load()).run(context) };
}

const help: Command = {
  run({ stdout }) {
    const lines = Object.entries(summaries).map(
      ([name, summary]) => `  ${name.padEnd(8)} ${summary}`,
    );
    stdout(
      `Usage: pointsman COMMAND [flags]\n\n${lines.join("\n")}\n\n` +
        "Run pointsman COMMAND --help for the flags of a command. Without a command, flags belong to serve.\n" +
        "pointsman --version prints the version.\n",
    );
    return Promise.resolve(0);
  },
};

const version: Command = {
  run({ stdout }) {
    stdout(`${ownVersion()}\n`);
    return Promise.resolve(0);
  },
};

/**
 * The command a command line names. Flags without a command mean `serve`, and so does an empty
 * command line if the environment sets one of its flags, as in a container.
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
    return { command: commands.serve, name: "serve", argv };
  }
  if (first === undefined || first === "help") return { command: help, name: "help", argv: rest };
  if (first === "--help" && rest.length === 0) return { command: help, name: "help", argv: rest };
  if (first === "--version" && rest.length === 0) {
    return { command: version, name: "version", argv: rest };
  }
  if (isCommand(first)) return { command: commands[first], name: first, argv: rest };
  if (first.startsWith("-") || first === "") {
    return { command: commands.serve, name: "serve", argv };
  }
  return { command: unknown(first), name: first, argv: rest };
}

function isCommand(name: string): name is keyof typeof commands {
  return Object.hasOwn(commands, name);
}

function unknown(name: string): Command {
  return {
    run({ stderr }) {
      stderr(
        `pointsman: there is no command ${JSON.stringify(name)}; there are ${Object.keys(commands).join(", ")}\n`,
      );
      return Promise.resolve(2);
    },
  };
}
