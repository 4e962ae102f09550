import { aborted } from "../std/abort.ts";
import type { Clock } from "../std/clock.ts";
import type { Random } from "../std/random.ts";
import { Client } from "./client.ts";
import { Crew } from "./crew.ts";
import { findIngress, type Ingress, type IngressKind } from "./ingress.ts";
import { OpenLoad } from "./load.ts";
import { Observer } from "./observer.ts";
import { Picks } from "./picks.ts";
import { tryPort } from "./ports.ts";
import { type Display, displayOn, type Terminal } from "./screen.ts";
import { type Stack, type StackOptions, startStack } from "./stack.ts";
import { Tally } from "./tally.ts";
import { summaryLinesOf } from "./summary.ts";
import { curlLineOf, Workload } from "./workload.ts";

/** Requests under way at a time: many times what the default load needs. */
const concurrentMax = 512;

/** Milliseconds that requests under way get when the demo's time is over. */
const patienceMs = 5_000;

export interface DemoOptions {
  readonly engines: number;
  readonly requestsPerSecond: number;
  /** Seconds of load; 0 for no end. */
  readonly seconds: number;
  /** Undefined for Envoy if it can be had, otherwise HTTP. */
  readonly ingress: IngressKind | undefined;
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
 * Runs engines, picker, ingress and a load until `stop` or the end of the time, showing what happens.
 *
 * @returns The exit code: 0 where requests were served and none failed. Rejects with a readable
 *   message where something cannot be started or ends by itself. Nothing is left running.
 */
export async function runDemo(options: DemoOptions, deps: DemoDeps): Promise<number> {
  const { clock, terminal, stop, cut } = deps;
  const say = (line: string) => terminal.write(`${line}\n`);
  const port = await publicPort(options, say);
  const { env } = options;
  const ingress = await findIngress(options.ingress, { env, say, stop });
  if (stop.aborted) return 1;

  const picks = new Picks();
  const crew = await Crew.open(clock);
  try {
    const parts = ingress.kind === "envoy" ? ", the picker and Envoy" : " and the HTTP gateway";
    say(`starting ${options.engines} simulated engines${parts}`);
    const { engines, pointsman } = options;
    const onPickerLine = (line: string) => picks.hear(line);
    const stackOptions = { engines, port, ingress, pointsman, env, onPickerLine };
    const stack = await Promise.race([startStack(stackOptions, crew, clock), aborted(stop)]);
    if (stack === undefined || stop.aborted) return 1;
    return await loadAndShow({ options, deps, crew, stack, picks, ingress });
  } finally {
    await crew.close(cut);
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
  readonly ingress: Ingress;
}

async function loadAndShow({
  options,
  deps,
  crew,
  stack,
  picks,
  ingress,
}: Running): Promise<number> {
  const { clock, random, terminal, stop } = deps;
  const { seconds, requestsPerSecond } = options;
  const client = new Client(stack.url, clock);
  const tally = new Tally();
  const workload = new Workload(random);
  const load = new OpenLoad(
    { requestsPerSecond, concurrentMax, patienceMs },
    {
      clock,
      random,
      next: () => workload.next(),
      send: (request, cut) => client.send(request, cut),
      onOutcome: (outcome) => tally.add(outcome),
    },
  );
  const observer = new Observer({ clock, stack, load, tally, picks, seconds });
  const timeUp = new AbortController();
  const over = new AbortController();
  const cancelTimer = seconds > 0 ? clock.after(seconds * 1_000, () => timeUp.abort()) : undefined;
  const display = displayOn(terminal, {
    curlLine: curlLineOf(stack.url),
    pageUrl: stack.pageUrl,
  });
  const shown = show(observer, display, { clock, over: over.signal });
  try {
    const ends = AbortSignal.any([stop, timeUp.signal, crew.closing]);
    await Promise.race([load.run(ends, AbortSignal.any([stop, crew.closing])), crew.death]);
    await observer.look();
  } finally {
    cancelTimer?.();
    over.abort();
    await shown;
    display.close();
    await client.close();
  }
  const view = observer.view();
  const { requestsUnfinished, requestsHeldBack } = load;
  const { results } = tally;
  const end = { view, ingress: ingress.kind, results, requestsUnfinished, requestsHeldBack };
  terminal.write(`\n${summaryLinesOf(end).join("\n")}\n`);
  return view.total.requests > 0 && view.total.errors === 0 ? 0 : 1;
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
