import { aborted } from "../../../std/abort.ts";
import type { Clock } from "../../../std/clock.ts";
import type { EndpointStore } from "../../../state/endpoint-store.ts";
import type { MembershipChange } from "../../../state/membership.ts";
import { type EndpointsFile, parseEndpointsFile } from "./endpoints-file.ts";
import { errorCodeOf, type FileReading, readTextFile } from "../../../std/file-reading.ts";
import { watchFile } from "../../../std/file-watch.ts";

/** Mistakes in one warning, which also has their number. */
const mistakesLoggedMax = 20;

export interface FileDiscoveryOptions {
  /** The endpoints file: YAML or JSON, at most 1 MiB. */
  readonly path: string;
  /** Follows changes of the file without a restart. */
  readonly watchFile?: boolean;
}

interface DiscoveryLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface FileDiscoveryDeps {
  readonly store: Pick<EndpointStore, "apply">;
  readonly clock: Clock;
  readonly log: DiscoveryLog;
}

export type FileLoad =
  | { readonly kind: "loaded"; readonly change: MembershipChange }
  /** Nothing was applied. Each mistake is one line: `endpoints[3].port: must be 1..65535, …`. */
  | { readonly kind: "invalid"; readonly mistakes: readonly string[] };

export type FileRead =
  | { readonly kind: "read"; readonly apply: () => MembershipChange }
  | Extract<FileLoad, { readonly kind: "invalid" }>;

/** Makes the endpoints listed in a file the pool. Bad content never replaces a good list. */
export class FileDiscovery {
  readonly #path: string;
  readonly #isWatched: boolean;
  readonly #deps: FileDiscoveryDeps;
  /** Last state of the file: the hash of its content, valid or not, or `vanished`. */
  #lastSeen: string | undefined;

  constructor(
    { path, watchFile: isWatched = false }: FileDiscoveryOptions,
    deps: FileDiscoveryDeps,
  ) {
    this.#path = path;
    this.#isWatched = isWatched;
    this.#deps = deps;
  }

  /** Reads the file once and applies it, at the start. */
  async load(): Promise<FileLoad> {
    const read = await this.read();
    return read.kind === "invalid" ? read : { kind: "loaded", change: read.apply() };
  }

  /** Reads the file; nothing changes before `apply`. */
  async read(): Promise<FileRead> {
    const reading = await readTextFile(this.#path);
    const parsed = parsedFrom(reading);
    if (parsed.kind === "invalid") return parsed;
    return {
      kind: "read",
      apply: () => {
        this.#lastSeen = identityOf(reading);
        return this.#apply(parsed);
      },
    };
  }

  /** Follows the file if it is to be watched, else waits. Resolves when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.#isWatched) return aborted(signal);
    const { clock, log } = this.#deps;
    const onUnwatchable = (error: unknown) => {
      log.warn(
        { path: this.#path, error: errorCodeOf(error) },
        "endpoints file watch failed; polling started",
      );
    };
    await watchFile(this.#path, { clock, onUnwatchable, onChange: () => this.#reload() }, signal);
  }

  async #reload(): Promise<void> {
    const reading = await readTextFile(this.#path);
    const seen = identityOf(reading);
    if (seen === this.#lastSeen) return;
    this.#lastSeen = seen;
    const parsed = parsedFrom(reading);
    if (parsed.kind === "valid") this.#apply(parsed);
    else this.#warnOf(parsed.mistakes);
  }

  #apply({ specs }: Extract<EndpointsFile, { kind: "valid" }>): MembershipChange {
    const { store, log } = this.#deps;
    const change = store.apply(specs);
    log.info(
      {
        path: this.#path,
        endpoints: specs.length,
        added: change.added.length,
        removed: change.removed.length,
        relabelled: change.updated.length,
      },
      "endpoints file loaded",
    );
    return change;
  }

  #warnOf(mistakes: readonly string[]): void {
    this.#deps.log.warn(
      {
        path: this.#path,
        mistakeCount: mistakes.length,
        mistakes: mistakes.slice(0, mistakesLoggedMax),
      },
      "endpoints file refused",
    );
  }
}

function identityOf(reading: FileReading): string {
  return reading.kind === "vanished" ? reading.kind : reading.hash;
}

function parsedFrom(reading: FileReading): EndpointsFile {
  if (reading.kind === "read") return parseEndpointsFile(reading.text);
  const mistake = reading.kind === "vanished" ? "the file does not exist" : reading.mistake;
  return { kind: "invalid", mistakes: [mistake] };
}
