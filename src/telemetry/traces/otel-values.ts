type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables of OpenTelemetry. A value that is invalid is ignored with a warning: they are often set for all. */
export class OtelValues {
  readonly warnings: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The first variable that is set and not empty. */
  text(...names: readonly string[]): string | undefined {
    return this.#first(names)?.value;
  }

  flag(...names: readonly string[]): boolean {
    const found = this.#first(names);
    if (found === undefined) return false;
    const value = found.value.toLowerCase();
    if (value !== "true" && value !== "false") this.#warn(found.name, "want true or false");
    return value === "true";
  }

  /** A whole number above 0. */
  count(initial: number, ...names: readonly string[]): number {
    const found = this.#first(names);
    if (found === undefined) return initial;
    const value = Number(found.value);
    if (/^\d{1,9}$/u.test(found.value) && value > 0) return value;
    this.#warn(found.name, `want a whole number above 0; ${initial} is used`);
    return initial;
  }

  /** A number from 0 to 1. */
  share(initial: number, name: string): number {
    const text = this.text(name);
    if (text === undefined) return initial;
    const value = Number(text);
    if (value >= 0 && value <= 1) return value;
    this.#warn(name, `want a number from 0 to 1; ${initial} is used`);
    return initial;
  }

  choice<Choice extends string>(
    choices: readonly Choice[],
    initial: Choice,
    ...names: readonly string[]
  ): Choice {
    const found = this.#first(names);
    if (found === undefined) return initial;
    const choice = choices.find((each) => each === found.value);
    if (choice === undefined) {
      this.#warn(found.name, `want ${choices.join(", ")}; ${initial} is used`);
    }
    return choice ?? initial;
  }

  /** Names and values, as in `a=1,b=2`, with percent encoding. */
  pairs(...names: readonly string[]): Readonly<Record<string, string>> {
    const found = this.#first(names);
    const pairs: [string, string][] = [];
    for (const part of found?.value.split(",") ?? []) {
      const [key, value] = pairIn(part);
      if (key !== undefined && value !== undefined) pairs.push([key, value]);
      // The values may be secrets, so that the part is not shown.
      else if (part.trim() !== "") this.#warn(found?.name ?? "", "want NAME=VALUE,NAME=VALUE");
    }
    return Object.fromEntries(pairs);
  }

  /** The value is not used; `reason` says why. */
  ignore(name: string, reason: string): void {
    this.#warn(name, reason);
  }

  #first(names: readonly string[]): { readonly name: string; readonly value: string } | undefined {
    for (const name of names) {
      const value = this.#env[name]?.trim() ?? "";
      if (value !== "") return { name, value };
    }
    return undefined;
  }

  #warn(name: string, text: string): void {
    this.warnings.push(`${name}: ${text}`);
  }
}

function pairIn(part: string): readonly [string?, string?] {
  const at = part.indexOf("=");
  const key = part.slice(0, Math.max(0, at)).trim();
  if (key === "") return [];
  try {
    return [decodeURIComponent(key), decodeURIComponent(part.slice(at + 1).trim())];
  } catch {
    return [];
  }
}
