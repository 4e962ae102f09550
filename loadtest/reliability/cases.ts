import type { LoadKind } from "./loads.ts";

/** A request to the simulator's admin endpoint. */
export interface AdminCall {
  readonly method: "PATCH" | "POST";
  /** After `/engines`. */
  readonly path: string;
  readonly settings?: Readonly<Record<string, boolean | number>>;
}

/** Makes the calls that turn a fault on or off, from the engine in question and the others. */
type Calls = (engine: string, others: readonly string[]) => readonly AdminCall[];

/** How a fault hits the engines, and when it ends. */
export interface ReliabilityCase {
  readonly name: string;
  readonly summary: string;
  /** Whether one engine has the fault; else all have it, or none. */
  readonly isOfOne: boolean;
  /** Undefined where the load itself is the fault. */
  readonly start?: Calls;
  /** Undefined for a fault that lasts to the end of the run, or for no time at all. */
  readonly end?: Calls;
  /** Whether the fault is a moment: the engine may be used again at once. */
  readonly isMoment?: boolean;
  readonly isBurst?: boolean;
  /** Requests that come in the place of some chats during the fault; no engine fails. */
  readonly load?: LoadKind;
  /** Requests a second for each engine, unless the command line says otherwise. */
  readonly requestsPerSecondPerEngine?: number;
  /** Milliseconds until an answer has to be complete, where that is another time than usual. */
  readonly answerMsMax?: number;
  /** Settings of the engines that differ from the usual ones. */
  readonly engines?: Readonly<Record<string, number>>;
  /** The section `health` of the picker's document. */
  readonly health?: object;
}

/** Requests of a burst and the milliseconds they arrive in: one scrape interval of `serve`. */
export const burst = { requests: 200, lengthMs: 50 };

/** Share of requests that the `errors` case answers with 500. */
const errorRatio = 0.2;

const slowFactor = 4;

/** Engines without the small batches of the others, so that what they can do is tokens a second. */
const ofLoads = {
  answerMsMax: 60_000,
  engines: {
    "running-requests-max": 256,
    "step-base-ms": 10,
    "decode-ms-per-sequence": 0.2,
    "kv-cache-tokens-max": 400_000,
  },
};

const mostlyDead = {
  // One engine has to do the work of all.
  requestsPerSecondPerEngine: 0.8,
  start: (_: string, others: readonly string[]) => others.map((one) => refusing(one, true)),
  end: (_: string, others: readonly string[]) => others.map((one) => refusing(one, false)),
};

function refusing(engine: string, refuse: boolean): AdminCall {
  return { method: "PATCH", path: `/${engine}`, settings: { refuse } };
}

export const cases: readonly ReliabilityCase[] = [
  {
    name: "frozen",
    summary: "the metrics of all engines repeat themselves",
    isOfOne: false,
    ...settings("all", { staleMetrics: true }, { staleMetrics: false }),
  },
  {
    name: "frozen-hang",
    summary: "the metrics of all engines hang",
    isOfOne: false,
    ...settings("all", { metricsHang: true }, { metricsHang: false }),
  },
  {
    name: "frozen-forever",
    summary: "the metrics of all engines hang and never come back",
    isOfOne: false,
    ...settings("all", { metricsHang: true }),
  },
  {
    name: "zeros",
    summary: "one engine's metrics say that it is idle",
    isOfOne: true,
    ...settings("one", { metricsZeros: true }, { metricsZeros: false }),
  },
  {
    name: "garbage",
    summary: "one engine's metrics are garbage",
    isOfOne: true,
    ...settings("one", { metricsGarbage: true }, { metricsGarbage: false }),
  },
  {
    name: "hang",
    summary: "one engine answers nothing, neither requests nor metrics",
    isOfOne: true,
    ...settings("one", { hang: true, metricsHang: true }, { hang: false, metricsHang: false }),
  },
  {
    name: "metrics-hang",
    summary: "one engine's metrics hang",
    isOfOne: true,
    ...settings("one", { metricsHang: true }, { metricsHang: false }),
  },
  {
    name: "refuse",
    summary: "one engine cuts and refuses connections",
    isOfOne: true,
    ...settings("one", { refuse: true }, { refuse: false }),
  },
  {
    name: "errors",
    summary: `one engine answers 500 to ${errorRatio * 100} % of its requests`,
    isOfOne: true,
    ...settings("one", { errorRatio }, { errorRatio: 0 }),
  },
  {
    name: "errors-in-200",
    summary: "one engine answers 200 with an error in the stream to all of its requests",
    isOfOne: true,
    ...settings("one", { errorEventRatio: 1 }, { errorEventRatio: 0 }),
  },
  {
    name: "slow",
    summary: `one engine is ${slowFactor} times slower`,
    isOfOne: true,
    ...settings("one", { slowFactor }, { slowFactor: 1 }),
  },
  {
    name: "restart",
    summary: "one engine restarts with a cold cache",
    isOfOne: true,
    isMoment: true,
    start: (engine) => [{ method: "POST", path: `/${engine}/restart` }],
  },
  {
    name: "burst",
    summary: `${burst.requests} requests arrive in ${burst.lengthMs} ms`,
    isOfOne: false,
    isMoment: true,
    isBurst: true,
  },
  {
    name: "documents",
    summary: "one tenant's documents of 7,000 tokens stick to an engine, beside short chats",
    isOfOne: false,
    load: "documents",
    ...ofLoads,
    requestsPerSecondPerEngine: 10,
  },
  {
    name: "mix",
    summary: "one of ten prompts has 20,000 to 50,000 tokens: 70 % of what engines can do",
    isOfOne: false,
    load: "mix",
    ...ofLoads,
    requestsPerSecondPerEngine: 1.5,
  },
  {
    name: "whole",
    summary: "some answers take 16 s without streaming, and little else happens",
    isOfOne: false,
    load: "whole",
    requestsPerSecondPerEngine: 0.15,
    answerMsMax: 60_000,
  },
  {
    name: "hang-ups",
    summary: "a few clients hang up before the head, within the stream, or at its last event",
    isOfOne: false,
    load: "hang-ups",
    requestsPerSecondPerEngine: 5,
  },
  {
    name: "mostly-dead",
    summary: "all engines but one cut and refuse connections",
    isOfOne: false,
    ...mostlyDead,
  },
  {
    name: "mostly-dead-checks",
    summary: "the same with active checks",
    isOfOne: false,
    ...mostlyDead,
    health: { check: { interval: "1s" } },
  },
];

type Settings = NonNullable<AdminCall["settings"]>;

function settings(
  who: "one" | "all",
  on: Settings,
  off?: Settings,
): Pick<ReliabilityCase, "start" | "end"> {
  const callWith =
    (changed: Settings): Calls =>
    (engine) => [{ method: "PATCH", path: who === "one" ? `/${engine}` : "", settings: changed }];
  return { start: callWith(on), ...(off === undefined ? {} : { end: callWith(off) }) };
}
