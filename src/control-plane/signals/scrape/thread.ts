import { parentPort, workerData } from "node:worker_threads";
import type { AdapterState } from "../../../core/load.ts";
import type { ReadingState } from "../../../core/signals.ts";
import { type Clock, systemClock } from "../../../std/clock.ts";
import { systemRandom } from "../../../std/random.ts";
import { ReportWriter, type SlotHolder } from "../../../state/report-writer.ts";
import { SignalBoard } from "../../../state/signal-board.ts";
import { type FromThread, processMs, type ThreadStart, type ToThread } from "./thread-messages.ts";
import type { ScrapeFailure } from "./scrape-once.ts";
import { Scraper, type ScrapeSink } from "./scraper.ts";

/** Interval of reports on scrapes: more would disturb the thread that serves requests. */
const tellingMs = 2_000;

/** Scrapes until the main thread sends `stop`. */
async function scrapeFor(port: NonNullable<typeof parentPort>, start: ThreadStart): Promise<void> {
  const board = SignalBoard.of(start.board);
  const sink = new PostingSink(
    (message) => port.postMessage(message),
    board,
    start.probeAttributes,
  );
  const scraper = new Scraper(start.options, {
    board,
    writer: new ReportWriter(board, start.attributes),
    clock: clockOf(start),
    random: systemRandom,
    cpuMs,
    sink,
  });
  const stop = new AbortController();
  port.on("message", (message: ToThread) => {
    if (message.kind === "stop") stop.abort();
    else if (message.kind === "wake") scraper.wake();
    else if (message.kind === "secrets") scraper.secrets = message.values;
    else scraper.apply(message.change);
  });
  await Promise.all([scraper.run(stop.signal), tellUntil(stop.signal, sink)]);
  sink.tell();
  port.close();
}

async function tellUntil(signal: AbortSignal, sink: PostingSink): Promise<void> {
  while (!signal.aborted) {
    await systemClock.sleep(tellingMs, signal);
    sink.tell();
  }
}

/** The main thread's clock, by which decisions compute the age of a report. */
function clockOf(start: ThreadStart): Clock {
  const shiftMs = start.clockMs + (processMs() - start.processMs) - systemClock.nowMs();
  return { ...systemClock, nowMs: () => systemClock.nowMs() + shiftMs };
}

/** CPU time of this thread alone. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Passes every finding to the main thread; frequent ones are batched. */
class PostingSink implements ScrapeSink {
  readonly #post: (message: FromThread) => void;
  readonly #board: SignalBoard;
  readonly #attributes: ReadonlyMap<string, Float64Array>;
  #outcomes = new Map<"ok" | ScrapeFailure, number>();
  #okSeconds: number[] = [];
  #malformedLines = 0;
  #crowdedFamilies = 0;
  #cpuMs = 0;

  constructor(
    post: (message: FromThread) => void,
    board: SignalBoard,
    attributes: ReadonlyMap<string, Float64Array>,
  ) {
    this.#post = post;
    this.#board = board;
    this.#attributes = attributes;
  }

  scraped(outcome: "ok" | ScrapeFailure, seconds: number): void {
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1);
    if (outcome === "ok") this.#okSeconds.push(seconds);
  }

  malformed(lines: number): void {
    this.#malformedLines += lines;
  }

  crowded(families: number): void {
    this.#crowdedFamilies += families;
  }

  adapters(holder: SlotHolder, adapters: AdapterState | undefined): void {
    const { slot, generation } = holder;
    this.#post({ kind: "adapters", holder: { slot, generation }, adapters });
  }

  engine({ slot, generation }: SlotHolder, name: string): void {
    this.#post({ kind: "engine", holder: { slot, generation }, name });
  }

  models({ slot, generation }: SlotHolder, models: readonly string[] | undefined): void {
    this.#post({ kind: "models", holder: { slot, generation }, models });
  }

  check({ slot, generation }: SlotHolder, isWell: boolean): void {
    this.#post({ kind: "check", holder: { slot, generation }, isWell });
  }

  reading({ slot, generation }: SlotHolder, state: ReadingState): void {
    this.#post({ kind: "reading", holder: { slot, generation }, state });
  }

  attribute({ slot, generation }: SlotHolder, name: string, value: number): void {
    const column = this.#attributes.get(name);
    // Another endpoint may have the slot by now.
    if (column === undefined || this.#board.generations[slot] !== generation) return;
    column[slot] = value;
  }

  log(level: "info" | "warn", fields: object, message: string): void {
    this.#post({ kind: "log", level, fields, message });
  }

  tell(): void {
    if (this.#outcomes.size === 0) return;
    const usedMs = cpuMs();
    this.#post({
      kind: "scrapes",
      scrapes: {
        outcomes: this.#outcomes,
        okSeconds: this.#okSeconds,
        malformedLines: this.#malformedLines,
        crowdedFamilies: this.#crowdedFamilies,
        cpuSeconds: (usedMs - this.#cpuMs) / 1_000,
      },
    });
    this.#outcomes = new Map();
    this.#okSeconds = [];
    this.#malformedLines = 0;
    this.#crowdedFamilies = 0;
    this.#cpuMs = usedMs;
  }
}

if (parentPort !== null) {
  // Only `ScraperThread` starts this file, with this data.
  await scrapeFor(parentPort, workerData as ThreadStart);
}
