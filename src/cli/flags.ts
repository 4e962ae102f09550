import { closestTo } from "../std/spelling.ts";
import { parseBytes, parseDurationMs } from "../std/quantities.ts";

interface FlagBase {
  readonly help: string;
  /** Shown in the help where the default itself says little. */
  readonly shownDefault?: string;
  /** Said once when the flag is used: a peer's flag that has no meaning here, or not yet. */
  readonly warning?: string;
  /** Values beside the default that need no such remark. */
  readonly quietFor?: readonly string[];
  /** Older spellings beside the camelCase one, which every flag has. */
  readonly aliases?: readonly string[];
}

type Flag = FlagBase &
  (
    | { readonly kind: "string"; readonly initial: string }
    | { readonly kind: "boolean"; readonly initial: boolean }
    | {
        readonly kind: "int";
        readonly initial: number;
        readonly min?: number;
        readonly max?: number;
      }
    | {
        readonly kind: "number";
        readonly initial: number;
        readonly min?: number;
        readonly max?: number;
      }
    /** `30s`, `1m30s`, `500ms`; milliseconds as a value. */
    | { readonly kind: "duration"; readonly initial: number }
    /** `64MiB`, `25MB`, plain bytes; "" gives undefined. */
    | { readonly kind: "bytes"; readonly initial: number | undefined }
    /** Comma-separated, and repeatable. */
    | { readonly kind: "list"; readonly initial: readonly string[] }
  );

export type FlagTable = Readonly<Record<string, Flag>>;

type ValueOf<F extends Flag> = F extends { kind: "bytes" }
  ? number | undefined
  : F extends { kind: "string" }
    ? string
    : F extends { kind: "boolean" }
      ? boolean
      : F extends { kind: "list" }
        ? readonly string[]
        : number;

export type FlagValues<T extends FlagTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

export type FlagResult<T extends FlagTable> =
  | {
      readonly kind: "parsed";
      readonly values: FlagValues<T>;
      readonly isSet: (name: keyof T) => boolean;
      /** What to tell the operator about flags that do nothing, and stray words. */
      readonly warnings: readonly string[];
      readonly positionals: readonly string[];
    }
  | { readonly kind: "help" }
  | { readonly kind: "invalid"; readonly message: string };

type Value = string | boolean | number | readonly string[] | undefined;

/**
 * Parses flags the way the peer's users write them: kebab-case or camelCase, one dash or two,
 * `--flag value` or `--flag=value`, a boolean bare or `=true|false`; of repeats the last one wins.
 * `env` gives a flag its value where the command line does not (`POINTSMAN_` and its name).
 */
export function parseFlags<T extends FlagTable>(
  table: T,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): FlagResult<T> {
  const given = new Map<string, Value>();
  const positionals: string[] = [];
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--") {
      positionals.push(...words.splice(0));
    } else if (word === "--help" || word === "-h" || word === "-help") {
      return { kind: "help" };
    } else if (!/^--?[A-Za-z]/.test(word)) {
      positionals.push(word);
    } else {
      const mistake = takeFlag(table, { word, words, given });
      if (mistake !== undefined) return { kind: "invalid", message: mistake };
    }
  }
  const mistake = takeEnvironment(table, env, given);
  if (mistake !== undefined) return { kind: "invalid", message: mistake };

  const values = Object.fromEntries(
    Object.entries(table).map(([name, flag]) => [
      name,
      given.has(name) ? given.get(name) : flag.initial,
    ]),
  );
  return {
    kind: "parsed",
    // Built from the table's own entries, each through its kind's reader.
    values: values as FlagValues<T>,
    isSet: (name) => given.has(String(name)),
    warnings: warningsOf(table, given),
    positionals,
  };
}

interface Taking {
  readonly word: string;
  readonly words: string[];
  readonly given: Map<string, Value>;
}

function takeFlag(table: FlagTable, { word, words, given }: Taking): string | undefined {
  const [, written = "", attached] = /^--?([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  const found = flagNamed(table, written);
  if (found === undefined) {
    const suggestion = closestTo(written, Object.keys(table));
    return `unknown flag: --${written}${suggestion === undefined ? "" : ` (did you mean --${suggestion}?)`}`;
  }
  const { name, flag } = found;
  if (flag.kind === "boolean" && attached === undefined) {
    given.set(name, true);
    return undefined;
  }
  const text = attached ?? words.shift();
  if (text === undefined) return `flag needs an argument: --${name}`;
  return takeValue({ name, flag, text, given }, `--${name}`);
}

function takeEnvironment(
  table: FlagTable,
  env: Readonly<Record<string, string | undefined>>,
  given: Map<string, Value>,
): string | undefined {
  for (const [name, flag] of Object.entries(table)) {
    const text = variableIn(env, name);
    if (text === undefined || given.has(name)) continue;
    const mistake = takeValue({ name, flag, text, given }, variableOf(name));
    if (mistake !== undefined) return mistake;
  }
  return undefined;
}

function takeValue(
  {
    name,
    flag,
    text,
    given,
  }: { name: string; flag: Flag; text: string; given: Map<string, Value> },
  source: string,
): string | undefined {
  const read = readValue(flag, text);
  if (read.kind === "invalid") {
    return `invalid argument ${JSON.stringify(text)} for ${source}: ${read.reason}`;
  }
  const before = given.get(name);
  given.set(
    name,
    flag.kind === "list" && Array.isArray(before) && Array.isArray(read.value)
      ? [...before, ...read.value]
      : read.value,
  );
  return undefined;
}

type Read =
  | { readonly kind: "read"; readonly value: Value }
  | { readonly kind: "invalid"; readonly reason: string };

function readValue(flag: Flag, text: string): Read {
  switch (flag.kind) {
    case "string":
      return { kind: "read", value: text };
    case "boolean":
      return readBoolean(text);
    case "int":
    case "number":
      return readNumber(flag, text);
    case "duration": {
      const value = parseDurationMs(text);
      return value === undefined
        ? { kind: "invalid", reason: "want a duration such as 30s, 500ms or 1m30s" }
        : { kind: "read", value };
    }
    case "bytes": {
      const value = text === "" ? undefined : parseBytes(text);
      return text !== "" && value === undefined
        ? { kind: "invalid", reason: "want a size such as 64MiB, 25MB or 4194304" }
        : { kind: "read", value };
    }
    case "list": {
      const value = text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
      return { kind: "read", value };
    }
  }
}

function readBoolean(text: string): Read {
  if (/^(1|t|true)$/i.test(text)) return { kind: "read", value: true };
  if (/^(0|f|false)$/i.test(text)) return { kind: "read", value: false };
  return { kind: "invalid", reason: "want true or false" };
}

function readNumber(
  { kind, min, max }: { kind: "int" | "number"; min?: number; max?: number },
  text: string,
): Read {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || (kind === "int" && !Number.isSafeInteger(value))) {
    return { kind: "invalid", reason: kind === "int" ? "want a whole number" : "want a number" };
  }
  if (min !== undefined && value < min) return { kind: "invalid", reason: `want ${min} or more` };
  if (max !== undefined && value > max) return { kind: "invalid", reason: `want ${max} or less` };
  return { kind: "read", value };
}

function flagNamed(table: FlagTable, written: string): { name: string; flag: Flag } | undefined {
  const name = kebabOf(written);
  const direct = table[name];
  if (direct !== undefined && Object.hasOwn(table, name)) return { name, flag: direct };
  const aliased = Object.entries(table).find(([, flag]) => flag.aliases?.includes(written));
  return aliased === undefined ? undefined : { name: aliased[0], flag: aliased[1] };
}

/** `poolName` and `PoolName` are older spellings of `pool-name`. */
function kebabOf(written: string): string {
  return written.replace(/([a-z0-9])([A-Z])/g, "$1-$2").toLowerCase();
}

/** Whether the environment gives any flag of the table a value. */
export function isFlagSetIn(
  table: FlagTable,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return Object.keys(table).some((name) => variableIn(env, name) !== undefined);
}

/**
 * What the environment says of a flag. Empty is how manifests leave a variable out, and an address
 * is not meant for us: for a Service `pointsman-metrics` Kubernetes sets `POINTSMAN_METRICS_PORT`.
 */
function variableIn(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
  const text = env[variableOf(name)] ?? "";
  return text === "" || /^(tcp|udp|sctp):\/\//.test(text) ? undefined : text;
}

/** `POINTSMAN_CONFIG_FILE` for `config-file`. */
function variableOf(name: string): string {
  return `POINTSMAN_${name.toUpperCase().replaceAll("-", "_")}`;
}

function warningsOf(table: FlagTable, given: ReadonlyMap<string, Value>): string[] {
  return [...given].flatMap(([name, value]) => {
    const flag = table[name];
    // Asking for what happens anyway needs no remark.
    if (flag?.warning === undefined || value === flag.initial) return [];
    if (flag.quietFor?.includes(String(value)) === true) return [];
    return [`--${name}: ${flag.warning}`];
  });
}

/** The flags of a table as help lines, those that only bring a warning last, under a heading of their own. */
export function flagHelp(table: FlagTable): string {
  const flags = Object.entries(table);
  const ours = flags.filter(([, { warning }]) => warning === undefined);
  const peers = flags.filter(([, { warning }]) => warning !== undefined);
  const heading = ["", "Flags of llm-d-router that are accepted with a warning, which says why:"];
  const lines = peers.length === 0 ? [] : [...heading, ...peers.map(flagText)];
  return [...ours.map(flagText), ...lines].join("\n");
}

function flagText([name, flag]: readonly [string, Flag]): string {
  const shown = shownDefaultOf(flag);
  const suffix = shown === "" ? "" : ` (default ${shown})`;
  const note = flag.warning === undefined ? "" : ` [${flag.warning}]`;
  const kind = flag.kind === "boolean" ? "" : ` ${flag.kind}`;
  return `      --${name}${kind}\n            ${flag.help}${suffix}${note}`;
}

/** The default of a flag for people to read; empty where there is none. */
export function shownDefaultOf(flag: Flag): string {
  return flag.shownDefault ?? defaultText(flag);
}

function defaultText(flag: Flag): string {
  switch (flag.kind) {
    case "string":
      return flag.initial === "" ? "" : JSON.stringify(flag.initial);
    case "list":
      return flag.initial.join(",");
    case "duration":
      return flag.initial % 1_000 === 0 ? `${flag.initial / 1_000}s` : `${flag.initial}ms`;
    case "bytes":
      return flag.initial === undefined ? "" : bytesText(flag.initial);
    case "boolean":
    case "int":
    case "number":
      return String(flag.initial);
  }
}

function bytesText(bytes: number): string {
  const mebibyte = 1024 * 1024;
  return bytes % mebibyte === 0 ? `${bytes / mebibyte}MiB` : String(bytes);
}
