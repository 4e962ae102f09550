import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import path from "node:path";
import { systemClock } from "../../src/std/clock.ts";
import { seededRandom } from "../../src/std/random.ts";
import {
  blockOf,
  endHeaders,
  endStream,
  frameOf,
  frameTypes,
  preface,
  settingsOf,
} from "../fuzz-http/http2-frames.ts";
import { Pick } from "../fuzz-http/pick.ts";
import { type Conversation, Conversations } from "./conversations.ts";
import type { Held } from "./held.ts";

export interface FuzzOptions {
  readonly seed: number;
  /** Frames that the server has to read before the run ends. */
  readonly frames: number;
  readonly secondsMax: number;
  /** Connections at once. */
  readonly connections: number;
  /** Frames of one connection at most. */
  readonly framesOfOne: number;
  readonly tell?: (line: string) => void;
}

export interface FuzzReport {
  readonly seed: number;
  readonly seconds: number;
  readonly connections: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** Calls between, which must all be answered. */
  readonly probes: number;
  readonly before: Held;
  readonly after: Held;
  readonly violations: readonly string[];
}

/** Growth beyond which something leaks, from a baseline after the first connections. */
const heapMbGrowthMax = 8;
const externalMbGrowthMax = 8;
const rssMbGrowthMax = 120;
const handlesGrowthMax = 4;
const warmUpConnections = 600;
/** Connections between two probes. */
const probeEvery = 200;
/** Milliseconds: of a connection whose server does not end it, for a probe, and until all is gone at the end. */
const connectionMs = 150;
const probeMsMax = 20_000;
const settleMsMax = 20_000;

/** Sends hostile connections to a transport in a process of its own. */
export async function runFuzz(options: FuzzOptions): Promise<FuzzReport> {
  const server = fork(path.join(import.meta.dirname, "server.ts"), [], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  try {
    return await new FuzzRun(options, server).run();
  } finally {
    if (server.connected) server.disconnect();
  }
}

class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #server: ChildProcess;
  readonly #conversations: Conversations;
  readonly #byKind: Record<string, number> = {};
  readonly #violations: string[] = [];
  #port = 0;
  #connections = 0;
  #probes = 0;
  #isOver = false;

  constructor(options: FuzzOptions, server: ChildProcess) {
    this.#options = options;
    this.#server = server;
    const pick = new Pick(seededRandom(options.seed));
    this.#conversations = new Conversations(pick, options.framesOfOne);
    server.on("exit", (code, signal) => {
      if (!this.#isOver) this.#violations.push(`the server ended with ${code ?? signal}`);
      this.#isOver = true;
    });
  }

  async run(): Promise<FuzzReport> {
    const [{ port }] = (await once(this.#server, "message")) as [{ port: number }];
    this.#port = port;
    const startMs = performance.now();
    const warmUp = Math.min(warmUpConnections, this.#options.frames / 2_500);
    await this.#send(() => this.#connections < warmUp);
    const before = await this.#settled();
    await this.#sendAll(startMs, before.frames);
    const after = this.#violations.length > 0 ? before : await this.#settled();
    this.#compare(before, after);
    this.#isOver = true;
    return {
      seed: this.#options.seed,
      seconds: Math.round((performance.now() - startMs) / 1_000),
      connections: this.#connections,
      byKind: this.#byKind,
      probes: this.#probes,
      before,
      after,
      violations: this.#violations,
    };
  }

  /** Sends connections until the server has read enough frames, or the time is over. */
  async #sendAll(startMs: number, framesBefore: number): Promise<void> {
    const { frames, secondsMax, tell } = this.#options;
    let read = framesBefore;
    const goesOn = () =>
      !this.#isOver && read < frames && performance.now() - startMs < secondsMax * 1_000;
    while (goesOn()) {
      const until = this.#connections + probeEvery;
      await this.#send(() => this.#connections < until && !this.#isOver);
      if (this.#isOver) return;
      read = (await this.#ask<{ frames: number }>("frames")).frames;
      await this.#probe();
      tell?.(`${read} frames, ${this.#connections} connections`);
    }
  }

  async #send(goesOn: () => boolean): Promise<void> {
    const client = async () => {
      while (goesOn()) {
        this.#connections += 1;
        const conversation = this.#conversations.next();
        this.#byKind[conversation.kind] = (this.#byKind[conversation.kind] ?? 0) + 1;
        await this.#converse(conversation);
      }
    };
    await Promise.all(Array.from({ length: this.#options.connections }, client));
  }

  /** Resolves when the server has ended the connection, or has read all of it. */
  #converse({ bytes, cuts, isDeaf }: Conversation): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, "127.0.0.1");
      const cancel = systemClock.after(connectionMs, () => socket.destroy());
      socket.on("error", () => undefined);
      socket.on("close", () => {
        cancel();
        resolve();
      });
      if (!isDeaf) socket.resume();
      const write = (index: number, from: number) => {
        if (socket.destroyed) return;
        const to = cuts[index] ?? bytes.length;
        socket.write(bytes.subarray(from, to), () => {
          if (to < bytes.length) setImmediate(() => write(index + 1, to));
          else if (bytes.length % 2 === 0) socket.end();
        });
      };
      write(0, 0);
    });
  }

  /** A usual call has to be answered whatever else goes on. */
  async #probe(): Promise<void> {
    this.#probes += 1;
    const isAnswered = await new Promise<boolean>((resolve) => {
      const socket = connect(this.#port, "127.0.0.1");
      const cancel = systemClock.after(probeMsMax, () => socket.destroy());
      let received: Buffer = Buffer.alloc(0);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        cancel();
        resolve(received.includes("grpc-status"));
      });
      socket.on("data", (chunk) => {
        received = Buffer.concat([received, Buffer.from(chunk)]);
        if (received.includes("grpc-status")) socket.destroy();
      });
      socket.write(probeBytes);
    });
    if (!isAnswered) this.#violations.push("a usual call was not answered");
    if (!isAnswered) this.#isOver = true;
  }

  /** Counts once everything of the clients has gone, or when the time for that is over. */
  async #settled(): Promise<Held> {
    const endMs = performance.now() + settleMsMax;
    for (;;) {
      const held = await this.#ask<Held>("held");
      const isGone = held.connections === 0 && held.openStreams === 0;
      if (isGone || performance.now() > endMs) return held;
      await systemClock.sleep(200);
    }
  }

  async #ask<T>(question: string): Promise<T> {
    const answer = once(this.#server, "message");
    this.#server.send(question);
    // The server answers each question with this.
    const [held] = (await answer) as [T];
    return held;
  }

  #compare(before: Held, after: Held): void {
    const grew = (name: keyof Held, max: number) => {
      if (after[name] - before[name] > max) {
        this.#violations.push(`${name} grew from ${before[name]} to ${after[name]}`);
      }
    };
    grew("heapMb", heapMbGrowthMax);
    grew("externalMb", externalMbGrowthMax);
    grew("rssMb", rssMbGrowthMax);
    grew("handles", handlesGrowthMax);
    for (const name of ["connections", "openStreams", "openRequests"] as const) {
      if (after[name] !== 0) this.#violations.push(`${after[name]} ${name} are left`);
    }
  }
}

const probeBytes = Buffer.concat([
  preface,
  settingsOf([]),
  frameOf(
    frameTypes.headers,
    endHeaders,
    1,
    blockOf([
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/grpc.health.v1.Health/List"],
      ["content-type", "application/grpc"],
    ]),
  ),
  frameOf(frameTypes.data, endStream, 1, Buffer.alloc(5)),
]);
