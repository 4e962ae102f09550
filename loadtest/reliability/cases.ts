/** A request to the simulator's admin endpoint. */
export interface AdminCall {
  readonly method: "PATCH" | "POST";
  /** After `/engines`. */
  readonly path: string;
  readonly settings?: Readonly<Record<string, boolean | number>>;
}

/** How a fault hits the engines, and when it ends. */
export interface ReliabilityCase {
  readonly name: string;
  readonly summary: string;
  /** Whether one engine has the fault; else all have it, or none. */
  readonly isOfOne: boolean;
  /** Undefined where the load itself is the fault. */
  readonly start?: (engine: string) => AdminCall;
  /** Undefined for a fault that lasts to the end of the run, or for no time at all. */
  readonly end?: (engine: string) => AdminCall;
  /** Whether the fault is a moment: the engine may be used again at once. */
  readonly isMoment?: boolean;
  readonly isBurst?: boolean;
}

/** Requests of a burst and the milliseconds they arrive in: one scrape interval of `serve`. */
export const burst = { requests: 200, lengthMs: 50 };

/** Share of requests that the `errors` case answers with 500. */
const errorRatio = 0.2;

const slowFactor = 4;

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
    start: (engine) => ({ method: "POST", path: `/${engine}/restart` }),
  },
  {
    name: "burst",
    summary: `${burst.requests} requests arrive in ${burst.lengthMs} ms`,
    isOfOne: false,
    isMoment: true,
    isBurst: true,
  },
];

type Settings = NonNullable<AdminCall["settings"]>;

function settings(
  who: "one" | "all",
  on: Settings,
  off?: Settings,
): Pick<ReliabilityCase, "start" | "end"> {
  const callWith = (changed: Settings) => (engine: string) =>
    ({
      method: "PATCH",
      path: who === "one" ? `/${engine}` : "",
      settings: changed,
    }) as const;
  return { start: callWith(on), ...(off === undefined ? {} : { end: callWith(off) }) };
}
