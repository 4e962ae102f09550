import type { MemoryKind } from "../../../core/plugin-states.ts";

/** Maximum number of programs, about 200 bytes each; beyond it, an idle one is dropped. */
const programsMax = 100_000;

interface ProgramSettings {
  /** Time in which past service halves; 0 for no decay. */
  readonly halfLifeMs: number;
  /** Time after which an idle program is forgotten. */
  readonly idleMs: number;
  readonly sweepMs: number;
}

interface Program {
  readonly id: string;
  serviceTokens: number;
  /** The time up to which the service has decayed. */
  decayedMs: number;
  inFlight: number;
  endedMs: number;
}

/** The service that programs have received, in tokens. All times are monotonic milliseconds. */
export class Programs {
  #settings: ProgramSettings;
  readonly #programs = new Map<string, Program>();
  #sweptMs = 0;

  constructor(settings: ProgramSettings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#programs.size;
  }

  set settings(settings: ProgramSettings) {
    this.#settings = settings;
  }

  /** The service of a program until now; 0 if it is not known. */
  service(id: string, nowMs: number): number {
    const program = this.#programs.get(id);
    return program === undefined ? 0 : this.#decayed(program, nowMs).serviceTokens;
  }

  /** Charges a request that is sent. */
  sent(id: string, tokens: number, nowMs: number): Program {
    if (nowMs - this.#sweptMs >= this.#settings.sweepMs || this.#programs.size >= programsMax) {
      this.#sweep(nowMs);
    }
    const known = this.#programs.get(id);
    const program = known ?? {
      id,
      serviceTokens: 0,
      decayedMs: nowMs,
      inFlight: 0,
      endedMs: nowMs,
    };
    if (known === undefined && this.#programs.size < programsMax) this.#programs.set(id, program);
    this.#decayed(program, nowMs).serviceTokens += tokens;
    program.inFlight += 1;
    return program;
  }

  /** Corrects the charge of a request that has ended by these tokens, which may be negative. */
  ended(program: Program, tokens: number, nowMs: number): void {
    const { serviceTokens } = this.#decayed(program, nowMs);
    program.serviceTokens = Math.max(serviceTokens + tokens, 0);
    program.inFlight -= 1;
    program.endedMs = nowMs;
  }

  #decayed(program: Program, nowMs: number): Program {
    const { halfLifeMs } = this.#settings;
    if (halfLifeMs > 0) {
      program.serviceTokens *= 2 ** ((program.decayedMs - nowMs) / halfLifeMs);
    }
    program.decayedMs = nowMs;
    return program;
  }

  #sweep(nowMs: number): void {
    this.#sweptMs = nowMs;
    const isFull = this.#programs.size >= programsMax;
    for (const { id, inFlight, endedMs } of this.#programs.values()) {
      if (inFlight > 0) continue;
      if (nowMs - endedMs >= this.#settings.idleMs || isFull) this.#programs.delete(id);
    }
  }
}

export const programMemory: MemoryKind<Programs, ProgramSettings> = {
  create: (settings) => new Programs(settings),
  configure: (programs, settings) => {
    programs.settings = settings;
  },
};
