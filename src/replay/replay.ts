import type { EngineOptions } from "../simulator/engine-options.ts";
import type { RequestLine } from "../telemetry/recording/lines.ts";
import { type Calibrated, calibrate } from "./calibrate.ts";
import { enginesOf, type ReplayedEngines, setupOf, uncalibrated } from "./engines.ts";
import type { Conversation, Plan } from "./lab/conversation.ts";
import type { Policy } from "./lab/policy.ts";
import { runOnce } from "./lab/run.ts";
import { type Outcome, recordedOutcomes, replayedOutcomes } from "./outcomes.ts";
import { type Placed, runPlaced } from "./placed-run.ts";
import { planOfRecording, recordedPriorityOf } from "./recorded-plan.ts";
import type { Recording } from "./recording.ts";

/** Virtual time for answers after the last request. */
const drainMs = 3_600_000;

export interface ReplayOptions {
  /** Engine options that the recording does not tell, for all engines. */
  readonly given: Partial<EngineOptions>;
  /** False to take the learned speeds without comparing them with the recorded times. */
  readonly calibrates: boolean;
  /** Share of the recording at its start that does not count: caches are empty in a replay, and may not have been. */
  readonly warmUpShare: number;
  /** False to send every request at its recorded time, though its client waited for an earlier answer. */
  readonly waits: boolean;
  readonly seed: number;
  readonly onCalibrated?: ((evaluations: number, loss: number) => void) | undefined;
}

/** A recording, ready to be run under any document. */
export interface Replayer {
  readonly engines: ReplayedEngines;
  readonly calibrated: Calibrated;
  /** Outcomes of the recording that count. */
  readonly recorded: readonly Outcome[];
  /** The same with each request where and when it was sent, on the engines of the replay. */
  readonly placed: readonly Outcome[];
  /** Requests that are run. */
  readonly requests: number;
  /** Those of them that come after an earlier answer. */
  readonly waiting: number;
  /**
   * Outcomes under a document, of these requests without those of their warm-up. Rejects with the mistakes of the
   * document.
   */
  run(document: string, requests?: RequestRange): Promise<readonly Outcome[]>;
}

/** Requests by index, the last one excluded. */
interface RequestRange {
  readonly from: number;
  readonly to: number;
}

export async function replayerOf(recording: Recording, options: ReplayOptions): Promise<Replayer> {
  const { endpoints } = recording;
  // Of others, such as one that was not understood, no engine computes anything.
  const requests = recording.requests.filter(({ promptTokens = 0 }) => promptTokens > 0);
  const { given, warmUpShare, seed } = options;
  const slots = new Map(endpoints.map(({ endpoint }, slot) => [endpoint, slot]));
  const { blockTokens } = enginesOf(endpoints, uncalibrated, given);
  const plan = planOfRecording(requests, { blockTokens, waits: options.waits });
  const placed = placedOf(plan, requests, slots);
  const recorded = recordedOutcomes(requests, slots);
  const countedFrom = firstAfter(requests, warmUpShare);
  const calibrated = options.calibrates
    ? await calibrate({
        requests,
        placed,
        recorded,
        endpoints,
        given,
        onEvaluated: options.onCalibrated,
      })
    : { calibration: uncalibrated, overheadMs: 0, loss: Number.NaN };
  const engines = enginesOf(endpoints, calibrated.calibration, given);
  const { overheadMs } = calibrated;
  const setup = setupOf(engines);
  return {
    engines,
    calibrated,
    recorded: recorded.slice(countedFrom),
    placed: replayedOutcomes(requests, runPlaced(placed, engines.options), {
      overheadMs,
      startMs: 0,
    }).slice(countedFrom),
    requests: requests.length,
    waiting: plan.conversations.filter(({ after }) => after !== undefined).length,
    run: async (document, { from, to } = { from: 0, to: requests.length }) => {
      const conversations = plan.conversations.slice(from, to);
      const startMs = conversations[0]?.atMs ?? 0;
      const moved = conversations.map((each) => movedBy(each, { startMs, from, overheadMs }));
      const endMs = (moved.at(-1)?.atMs ?? 0) + drainMs;
      const policy = policyOf(document);
      const record = await runOnce({
        plan: { ...plan, conversations: moved },
        setup,
        policy,
        seed,
        endMs,
      });
      const first = from + firstAfter(requests.slice(from, to), warmUpShare);
      return replayedOutcomes(requests, record, { overheadMs, startMs }).slice(first, to);
    },
  };
}

interface Excerpt {
  readonly startMs: number;
  /** Its first request. */
  readonly from: number;
  readonly overheadMs: number;
}

/** A conversation of an excerpt that begins at 0. */
function movedBy(conversation: Conversation, { startMs, from, overheadMs }: Excerpt): Conversation {
  const { after } = conversation;
  const isKnown = after !== undefined && after.conversation >= from;
  return {
    ...conversation,
    atMs: conversation.atMs - startMs,
    // Clients have an answer that much later than engines.
    after: isKnown ? { ...after, thinkMs: after.thinkMs + overheadMs } : undefined,
  };
}

function placedOf(
  { conversations }: Plan,
  requests: readonly RequestLine[],
  slots: ReadonlyMap<string, number>,
): readonly Placed[] {
  return conversations.map((conversation) => {
    const { endpoint, decidedMs = 0, refusal } = requests[conversation.number] ?? {};
    const slot = refusal === undefined ? slots.get(endpoint ?? "") : undefined;
    return { conversation, slot, delayMs: decidedMs };
  });
}

/** A document, with the priorities of the recording for objectives that it does not have. */
function policyOf(document: string): Policy {
  return {
    name: "",
    document,
    adapt: (parts) => ({
      ...parts,
      priorityOf: (objective) => parts.priorityOf(objective) ?? recordedPriorityOf(objective),
    }),
  };
}

function firstAfter(requests: readonly RequestLine[], share: number): number {
  const [startMs, endMs] = [requests[0]?.atMs ?? 0, requests.at(-1)?.atMs ?? 0];
  const fromMs = startMs + share * (endMs - startMs);
  return Math.max(
    0,
    requests.findIndex(({ atMs }) => atMs >= fromMs),
  );
}
