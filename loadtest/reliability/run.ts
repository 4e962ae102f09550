import { cpus } from "node:os";
import { Crew } from "../../src/demo/crew.ts";
import { numberOf, parseRecord, recordOf } from "../../src/demo/json.ts";
import { aborted } from "../../src/std/abort.ts";
import { systemClock } from "../../src/std/clock.ts";
import { type AdminCall, burst, type ReliabilityCase } from "./cases.ts";
import { LoadClient, type Sent } from "./client.ts";
import { loadOf } from "./loads.ts";
import { planOf } from "./plan.ts";
import { type Stack, type StackOptions, startStack } from "./stack.ts";

/** Milliseconds between two looks at the engines' queues. */
const sampleMs = 100;

/** Milliseconds that the admin endpoint gets to answer. */
const adminMsMax = 5_000;

export interface RunOptions {
  readonly reliabilityCase: ReliabilityCase;
  /** Whether the fault happens; the requests are the same without it. */
  readonly hasFault: boolean;
  readonly seed: number;
  readonly requestsPerSecond: number;
  readonly warmUpMs: number;
  readonly faultMs: number;
  readonly recoveryMs: number;
  readonly stack: StackOptions;
}

export interface RunDeps {
  readonly say: (line: string) => void;
  /** Ends the run in good order; it then rejects. */
  readonly stop: AbortSignal;
  /** Ends it without patience. */
  readonly cut: AbortSignal;
}

/** The engines' queues at a moment, by engine. */
export interface Sample {
  readonly atMs: number;
  /** Requests in the waiting queue, and those that a hanging engine holds. */
  readonly waitingRequests: readonly number[];
  readonly runningRequests: readonly number[];
}

/** What a run saw. Times are milliseconds after its start. */
export interface RunRecord {
  readonly phases: Phases;
  /** Index of the engine that has the fault, or would have it. */
  readonly faultyEngine: number;
  /** `ip:port` of each engine. */
  readonly hostPorts: readonly string[];
  readonly sent: readonly Sent[];
  /** Which `ip:port` each request was sent to. */
  readonly picks: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** Ejections that the picker counted; undefined for one that counts none. */
  readonly ejections: number | undefined;
  /** Share of the machine's processors in use from the fault's start to the end of the run, 0 to 1. */
  readonly cpuRatio: number;
}

export interface Phases {
  readonly faultStartMs: number;
  /** When the fault is taken back: for a moment at once, for one without an end with the run. */
  readonly faultEndMs: number;
  /** Until when requests count as sent under the fault. */
  readonly underFaultEndMs: number;
  readonly endMs: number;
}

/** Starts a gateway of its own, loads it through all phases, and ends it. */
export async function runOnce(options: RunOptions, deps: RunDeps): Promise<RunRecord> {
  const crew = await Crew.open(systemClock);
  try {
    const stack = await Promise.race([
      startStack(options.stack, crew),
      aborted(deps.stop).then(() => deps.stop.throwIfAborted()),
    ]);
    if (stack === undefined) throw new Error("stopped");
    // Whatever ends the crew ends the load too.
    const stop = AbortSignal.any([deps.stop, crew.closing]);
    return await Promise.race([loaded(options, { ...deps, stop }, stack), crew.death]);
  } finally {
    await crew.close(deps.cut);
  }
}

async function loaded(options: RunOptions, deps: RunDeps, stack: Stack): Promise<RunRecord> {
  const { seed, requestsPerSecond, warmUpMs, hasFault, reliabilityCase } = options;
  const lengthMs = warmUpMs + options.faultMs + options.recoveryMs;
  const hasBurst = hasFault && reliabilityCase.isBurst === true;
  const { load, answerMsMax } = reliabilityCase;
  const plan =
    load === undefined
      ? planOf({
          seed,
          requestsPerSecond,
          lengthMs,
          burst: hasBurst ? { ...burst, atMs: warmUpMs } : undefined,
        })
      : loadOf(load, {
          seed,
          requestsPerSecond,
          lengthMs,
          special: hasFault ? { fromMs: warmUpMs, toMs: warmUpMs + options.faultMs } : undefined,
        });
  const startMs = systemClock.nowMs();
  const client = new LoadClient(stack.url, startMs, answerMsMax);
  const over = new AbortController();
  const ends = AbortSignal.any([deps.stop, over.signal]);
  const samples: Sample[] = [];
  try {
    const sampling = sample({ stack, startMs, samples, stop: ends });
    const loading = Promise.all([
      client.run(plan, deps.stop),
      drive({ options, deps, stack, startMs }),
    ]).finally(() => over.abort());
    const [[sent, { phases, cpuRatio }]] = await Promise.all([loading, sampling]);
    deps.stop.throwIfAborted();
    return {
      phases,
      faultyEngine: faultyEngineOf(options),
      hostPorts: stack.hostPorts,
      sent,
      picks: await stack.picks(sent.length),
      ejections: await stack.ejections(),
      samples,
      cpuRatio,
    };
  } finally {
    over.abort();
    await client.close();
  }
}

/** One in the middle: the first and the last are what a picker's ties may fall to. */
function faultyEngineOf({ stack }: RunOptions): number {
  return Math.floor(stack.engines / 2);
}

interface Driving {
  readonly options: RunOptions;
  readonly deps: RunDeps;
  readonly stack: Stack;
  readonly startMs: number;
}

/** Turns the fault on and off when it is time. */
async function drive(driving: Driving): Promise<Pick<RunRecord, "phases" | "cpuRatio">> {
  const { options, deps, stack, startMs } = driving;
  const { reliabilityCase, hasFault, warmUpMs, faultMs, recoveryMs } = options;
  const { name, start, end, isMoment = false } = reliabilityCase;
  const engine = `engine-${faultyEngineOf(options)}`;
  const sinceStartMs = () => systemClock.nowMs() - startMs;
  const untilMs = (atMs: number) =>
    systemClock.sleep(Math.max(0, atMs - sinceStartMs()), deps.stop);
  const say = (line: string) => {
    if (!deps.stop.aborted) deps.say(`${name} ${hasFault ? "with" : "without"} fault: ${line}`);
  };
  const others = Array.from({ length: options.stack.engines }, (_, index) => `engine-${index}`);
  const call = async (made: ReliabilityCase["start"]) => {
    if (!hasFault || made === undefined) return;
    const calls = made(
      engine,
      others.filter((other) => other !== engine),
    );
    for (const one of calls) if (!deps.stop.aborted) await ask(stack, one);
  };
  const lengthMs = warmUpMs + faultMs + recoveryMs;

  say(`warm-up, ${warmUpMs / 1_000} s`);
  await untilMs(warmUpMs);
  const cpuBefore = cpuTimes();
  const faultStartMs = sinceStartMs();
  await call(start);
  say(`${hasFault ? "fault on" : "no fault"}, ${faultMs / 1_000} s`);
  await untilMs(warmUpMs + faultMs);
  const offMs = sinceStartMs();
  const isForever = end === undefined && !isMoment;
  await call(end);
  say(`${isForever && hasFault ? "fault still on" : "recovery"}, ${recoveryMs / 1_000} s`);
  await untilMs(lengthMs);
  const cpuAfter = cpuTimes();
  const faultEndMs = isMoment ? faultStartMs : offMs;
  return {
    phases: {
      faultStartMs,
      faultEndMs: isForever ? lengthMs : faultEndMs,
      underFaultEndMs: isForever ? lengthMs : offMs,
      endMs: lengthMs,
    },
    cpuRatio: (cpuAfter.busyMs - cpuBefore.busyMs) / (cpuAfter.allMs - cpuBefore.allMs),
  };
}

async function sample(sampling: {
  readonly stack: Stack;
  readonly startMs: number;
  readonly samples: Sample[];
  readonly stop: AbortSignal;
}): Promise<void> {
  const { stack, startMs, samples, stop } = sampling;
  for (let dueMs = startMs; !stop.aborted;) {
    const engines = await ask(stack, undefined);
    samples.push({
      atMs: systemClock.nowMs() - startMs,
      waitingRequests: engines.map(waitingRequestsOf),
      runningRequests: engines.map((engine) => countIn(engine, "runningRequests")),
    });
    dueMs = Math.max(dueMs + sampleMs, systemClock.nowMs());
    await systemClock.sleep(Math.max(0, dueMs - systemClock.nowMs()), stop);
  }
}

function waitingRequestsOf(engine: unknown): number {
  const hangingRequests = numberOf(recordOf(engine)?.["hangingRequests"]) ?? 0;
  return countIn(engine, "waitingRequests") + hangingRequests;
}

function countIn(engine: unknown, name: string): number {
  return numberOf(recordOf(recordOf(engine)?.["snapshot"])?.[name]) ?? 0;
}

/** Makes a call, or looks at all engines where there is none; resolves to the engines it shows. */
async function ask(stack: Stack, call: AdminCall | undefined): Promise<readonly unknown[]> {
  const url = `${stack.enginesUrl}${call?.path ?? ""}`;
  const response = await fetch(url, {
    method: call?.method ?? "GET",
    body: call?.settings === undefined ? null : JSON.stringify(call.settings),
    signal: AbortSignal.timeout(adminMsMax),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`the simulator refused ${url}: ${text}`);
  const engines = parseRecord(text)?.["engines"];
  return Array.isArray(engines) ? engines : [];
}

/** Time of all processors since the machine's start. */
function cpuTimes(): { readonly busyMs: number; readonly allMs: number } {
  let busyMs = 0;
  let allMs = 0;
  for (const { times } of cpus()) {
    const inUse = times.user + times.nice + times.sys + times.irq;
    busyMs += inUse;
    allMs += inUse + times.idle;
  }
  return { busyMs, allMs };
}
