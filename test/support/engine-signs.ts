import type { AdapterState } from "../../src/core/load.ts";
import type { Contacts, EngineReport, EngineSigns } from "../../src/state/health/engine-signs.ts";

const idle: EngineReport = {
  waitingRequests: 0,
  runningRequests: 0,
  kvCacheUsedRatio: 0,
  foreignRequests: 0,
};

/** Engines that say what a test wants, and before that that they are idle. */
export function scriptedSigns(count: number) {
  const reports: (EngineReport | undefined)[] = Array.from({ length: count }, () => idle);
  const contacts: Contacts[] = Array.from({ length: count }, () => ({
    answered: 0,
    refused: 0,
    silent: 0,
  }));
  const adapters: (AdapterState | undefined)[] = [];
  return {
    reportOf: (slot) => reports[slot],
    contactsOf: (slot) => contacts[slot] ?? { answered: 0, refused: 0, silent: 0 },
    adaptersOf: (slot) => adapters[slot],
    /** Undefined: it has no fresh report. */
    say(slot: number, report: Partial<EngineReport> | undefined): void {
      reports[slot] = report && { ...idle, ...report };
    },
    /** Its metrics were asked for once more. */
    contact(slot: number, how: keyof Contacts): void {
      const before = contacts[slot] ?? { answered: 0, refused: 0, silent: 0 };
      contacts[slot] = { ...before, [how]: before[how] + 1 };
    },
    load(slot: number, state: AdapterState): void {
      adapters[slot] = state;
    },
  } satisfies EngineSigns & Record<string, unknown>;
}
