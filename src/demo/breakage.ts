import type { Clock } from "../std/clock.ts";
import { reasonOf } from "../std/reason-of.ts";

/** Ways to break an engine. */
export const breakKinds = ["slow", "hang", "restart"] as const;

export type BreakKind = (typeof breakKinds)[number];

/** When the engine breaks, after the start of the load. */
export const breakAtSeconds = 10;

/** A request to the simulator about one engine. */
interface Step {
  readonly method: "PATCH" | "POST";
  /** Path after that of the engine. */
  readonly path?: string;
  readonly settings?: object;
}

interface Fault {
  /** The engine's state from then on, and once it is mended. */
  readonly broken: string;
  readonly mended: string;
  readonly lastsSeconds: number;
  readonly breakSteps: readonly Step[];
  readonly mendSteps: readonly Step[];
}

const patch = (settings: object): Step => ({ method: "PATCH", settings });

const faults: Readonly<Record<BreakKind, Fault>> = {
  slow: {
    broken: "is ten times slower",
    mended: "is as fast as before",
    lastsSeconds: 20,
    breakSteps: [patch({ slowFactor: 10 })],
    mendSteps: [patch({ slowFactor: 1 })],
  },
  hang: {
    broken: "takes requests and answers none",
    mended: "answers again",
    lastsSeconds: 20,
    breakSteps: [patch({ hang: true })],
    mendSteps: [patch({ hang: false })],
  },
  restart: {
    broken: "stops and refuses connections",
    mended: "is back, with an empty cache",
    lastsSeconds: 5,
    breakSteps: [patch({ refuse: true }), { method: "POST", path: "/restart" }],
    mendSteps: [patch({ refuse: false })],
  },
};

/** Milliseconds that a simulator gets to answer. */
const stepMsMax = 2_000;

export interface BreakageDeps {
  readonly clock: Clock;
  /** The simulators, each with an engine of this name. */
  readonly enginesUrls: readonly string[];
  readonly engine: string;
  /** Hears what has happened to the engine. */
  readonly onEvent: (text: string) => void;
}

/** Breaks the engine of the same name in each pool at the same time, and mends it later. */
export class Breakage {
  readonly engine: string;
  readonly #fault: Fault;
  readonly #deps: BreakageDeps;
  #brokenMs: number | undefined;
  #mendedMs: number | undefined;

  constructor(kind: BreakKind, deps: BreakageDeps) {
    this.engine = deps.engine;
    this.#fault = faults[kind];
    this.#deps = deps;
  }

  get what(): string {
    return this.#fault.broken;
  }

  /** Moments of the clock at which the engine was broken and mended; undefined before. */
  get times(): { readonly brokenMs: number | undefined; readonly mendedMs: number | undefined } {
    return { brokenMs: this.#brokenMs, mendedMs: this.#mendedMs };
  }

  /** Resolves when the engine is mended, or when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { broken, mended, lastsSeconds, breakSteps, mendSteps } = this.#fault;
    await clock.sleep(breakAtSeconds * 1_000, signal);
    if (signal.aborted) return;
    this.#brokenMs = clock.nowMs();
    await this.#take(breakSteps, broken);
    await clock.sleep(lastsSeconds * 1_000, signal);
    if (signal.aborted) return;
    await this.#take(mendSteps, mended);
    this.#mendedMs = clock.nowMs();
  }

  async #take(steps: readonly Step[], what: string): Promise<void> {
    const { enginesUrls, engine, onEvent } = this.#deps;
    try {
      for (const step of steps) {
        // The order of steps counts: a restart must find the port closed.
        // oxlint-disable-next-line no-await-in-loop
        await Promise.all(enginesUrls.map((url) => taken(`${url}/${engine}`, step)));
      }
      onEvent(`${engine} ${what}`);
    } catch (cause) {
      onEvent(`${engine} could not be changed: ${reasonOf(cause)}`);
    }
  }
}

async function taken(engineUrl: string, { method, path = "", settings }: Step): Promise<void> {
  const response = await fetch(`${engineUrl}${path}`, {
    method,
    signal: AbortSignal.timeout(stepMsMax),
    ...(settings === undefined ? {} : { body: JSON.stringify(settings) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
}
