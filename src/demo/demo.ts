import { aborted } from "../std/abort.ts";
import type { Clock } from "../std/clock.ts";
import type { Random } from "../std/random.ts";
import { type BreakKind, Breakage } from "./breakage.ts";
import { Crew } from "./crew.ts";
import { Events, healthTextOf } from "./events.ts";
import { findIngress, type Ingress, type IngressKind } from "./ingress.ts";
import { lanesTo } from "./lanes.ts";
import { OpenLoad } from "./load.ts";
import { Observer } from "./observer.ts";
import { breakingOf } from "./parts.ts";
import { Picks } from "./picks.ts";
import { type PolicyName, policyTitles } from "./policies.ts";
import { tryPort } from "./ports.ts";
import { type Display, displayOn, type Terminal } from "./screen.ts";
import { type Stack, type StackOptions, startStack } from "./stack.ts";
import { summaryLinesOf } from "./summary.ts";
import { curlLineOf, loadText, Workload } from "./workload.ts";

/** Milliseconds that requests under way get when the demo's time is over. */
const patienceMs = 5_000;

export interface DemoOptions {
  /** Engines of each pool. */
  readonly engines: number;
  /** Requests per second, each to both pools. */
  readonly requestsPerSecond: number;
  /** Seconds of load; 0 for no end. */
  readonly seconds: number;
  readonly ingress: IngressKind;
  /** The fault of one engine of each pool; undefined for none. */
  readonly breaks: BreakKind | undefined;
  /** Port of the address to try; 0 for any free one. */
  readonly port: number;
  /** True if another port will do if this one is in use. */
  readonly isPortDefault: boolean;
  readonly pointsman: StackOptions["pointsman"];
  readonly env: StackOptions["env"];
}

export interface DemoDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly terminal: Terminal;
  /** Ends the demo in good order. */
  readonly stop: AbortSignal;
  /** Ends it without patience. */
  readonly cut: AbortSignal;
}

/**
 * Runs two pools under different policies and the same load until `stop` or the end of the time, showing what happens.
 *
 * @returns The exit code: 0 if both pools served requests and none failed, other than at an engine that was to break.
 *   Rejects with a readable message if something cannot be started or ends by itself. Nothing is left running.
 */
export async function runDemo(options: DemoOptions, deps: DemoDeps): Promise<number> {
  const { clock, terminal, stop, cut } = deps;
  const say = (line: string) => terminal.write(`${line}\n`);
  const port = await publicPort(options, say);
  const roundRobin = await tryPort(0);
  if (roundRobin.kind === "taken") throw new Error(`a free port of 127.0.0.1 ${roundRobin.reason}`);
  const { env } = options;
  const ingress = await findIngress(options.ingress, { env, say, stop });
  if (stop.aborted) return 1;

  const picks = new Picks();
  const heard = new HealthLines();
  const crew = await Crew.open(clock);
  try {
    const parts = ingress.kind === "envoy" ? "Envoy and the picker" : "a gateway for each";
    say(`starting two pools of ${options.engines} simulated engines, ${parts}`);
    const { engines, pointsman } = options;
    const onPickerLine = (policy: PolicyName, line: string) => {
      if (policy === "pointsman") picks.hear(line);
      heard.hear(policy, line);
    };
    const ports = { port, roundRobinPort: roundRobin.port };
    const stackOptions = { engines, ...ports, ingress, pointsman, env, onPickerLine };
    const stack = await Promise.race([startStack(stackOptions, crew, clock), aborted(stop)]);
    if (stack === undefined || stop.aborted) return 1;
    return await loadAndShow({ options, deps, crew, stack, picks, heard, ingress });
  } finally {
    await crew.close(cut);
  }
}

/** The pickers' lines about the health of endpoints, in words. */
class HealthLines {
  onText: ((text: string) => void) | undefined;

  hear(policy: PolicyName, line: string): void {
    const text = healthTextOf(line);
    if (text !== undefined) this.onText?.(`${policyTitles[policy]} ${text}`);
  }
}

async function publicPort(
  { port, isPortDefault }: DemoOptions,
  say: (line: string) => void,
): Promise<number> {
  const wanted = await tryPort(port);
  if (wanted.kind === "free") return wanted.port;
  if (!isPortDefault) throw new Error(`--port: 127.0.0.1:${port} ${wanted.reason}`);
  const other = await tryPort(0);
  if (other.kind === "taken") throw new Error(`a free port of 127.0.0.1 ${other.reason}`);
  say(`127.0.0.1:${port} ${wanted.reason}; using port ${other.port} instead`);
  return other.port;
}

interface Running {
  readonly options: DemoOptions;
  readonly deps: DemoDeps;
  readonly crew: Crew;
  readonly stack: Stack;
  readonly picks: Picks;
  readonly heard: HealthLines;
  readonly ingress: Ingress;
}

async function loadAndShow(running: Running): Promise<number> {
  const { options, deps, crew, stack, picks, ingress } = running;
  const { clock, random, terminal, stop } = deps;
  const { seconds, requestsPerSecond } = options;
  const lanes = lanesTo(stack, clock);
  const workload = new Workload(random);
  const targets = [lanes.roundRobin.target, lanes.pointsman.target];
  const next = (nowMs: number) => workload.next(nowMs);
  const load = new OpenLoad({ requestsPerSecond, patienceMs }, { clock, random, next, targets });
  const events = new Events();
  const words = `${requestsPerSecond} chats/s each: ${loadText}`;
  const observer = new Observer({
    clock,
    stack,
    load,
    lanes,
    picks,
    events,
    loadText: words,
    seconds,
  });
  const onEvent = (text: string) => events.add({ seconds: observer.elapsedSeconds, text });
  running.heard.onText = onEvent;
  const breakage = breakageOf(running, onEvent);
  const timeUp = new AbortController();
  const over = new AbortController();
  const cancelTimer = seconds > 0 ? clock.after(seconds * 1_000, () => timeUp.abort()) : undefined;
  const display = displayOn(terminal, [
    words,
    `Live page: ${stack.pointsman.adminUrl ?? ""}/ui`,
    "Try it by hand in another terminal:",
    curlLineOf(stack.pointsman.url),
    "",
  ]);
  const shown = show(observer, display, { clock, over: over.signal });
  try {
    const ends = AbortSignal.any([stop, timeUp.signal, crew.closing]);
    const broken = breakage?.run(ends);
    await Promise.race([load.run(ends, AbortSignal.any([stop, crew.closing])), crew.death]);
    await broken;
    await observer.look();
  } finally {
    cancelTimer?.();
    over.abort();
    await shown;
    display.close();
    observer.close();
    await Promise.all([lanes.roundRobin.close(), lanes.pointsman.close()]);
  }
  const view = observer.view();
  const breaking = breakage === undefined ? undefined : breakingOf(breakage, lanes);
  const ends = { roundRobin: lanes.roundRobin.end(), pointsman: lanes.pointsman.end() };
  const end = { view, ingress: ingress.kind, pools: ends, breaking };
  terminal.write(`\n${summaryLinesOf(end).join("\n")}\n`);
  const totals = [view.pools.roundRobin.total, view.pools.pointsman.total];
  const isServed = totals.every(({ requests }) => requests > 0);
  const isWell = breakage !== undefined || totals.every(({ errors }) => errors === 0);
  return isServed && isWell ? 0 : 1;
}

function breakageOf(
  { options, deps, stack }: Running,
  onEvent: (text: string) => void,
): Breakage | undefined {
  if (options.breaks === undefined) return undefined;
  return new Breakage(options.breaks, {
    clock: deps.clock,
    enginesUrls: [stack.roundRobin.enginesUrl, stack.pointsman.enginesUrl],
    engine: `engine-${Math.min(1, options.engines - 1)}`,
    onEvent,
  });
}

/** Shows one state after another until `over`. */
async function show(
  observer: Observer,
  display: Display,
  { clock, over }: { readonly clock: Clock; readonly over: AbortSignal },
): Promise<void> {
  let dueMs = clock.nowMs();
  while (!over.aborted) {
    dueMs += display.intervalMs;
    await clock.sleep(Math.max(0, dueMs - clock.nowMs()), over);
    await observer.look();
    if (!over.aborted) display.show(observer.view());
  }
}
