import { type Command, type CommandContext, UsageError } from "./command.ts";
import { type FlagResult, type FlagTable, parseFlags } from "./flags.ts";

/** A command line that was understood. */
export type ParsedFlags<T extends FlagTable> = Extract<FlagResult<T>, { readonly kind: "parsed" }>;

interface FlagCommand<T extends FlagTable> {
  readonly help: string;
  readonly flags: T;
  /** True if the environment may set the flags too. */
  readonly readsEnvironment?: boolean;
  run(parsed: ParsedFlags<T>, context: CommandContext): Promise<number>;
}

/** A command with flags: `--help` is answered, and what is wrong refused, before it runs. */
export function flagCommand<T extends FlagTable>(command: FlagCommand<T>): Command {
  return {
    async run(context) {
      const env = command.readsEnvironment === true ? context.env : {};
      const parsed = parseFlags(command.flags, context.argv, env);
      switch (parsed.kind) {
        case "help":
          context.stdout(command.help);
          return 0;
        case "invalid":
          throw new UsageError([parsed.message]);
        case "parsed":
          return command.run(parsed, context);
      }
    },
  };
}
