import type { SentRequest } from "../../src/core/data-plane-plugin.ts";
import type { Refusal } from "../../src/core/errors.ts";
import type { QueueStay } from "../../src/core/flow-control.ts";
import type { Decision } from "../../src/core/decision.ts";
import type { BodyUse, ParseResult, SeenBody } from "../../src/core/parse-result.ts";
import type { PoolSnapshot } from "../../src/core/pool-snapshot.ts";
import type { RequestReader } from "../../src/data-plane/parsing/request-reader.ts";
import type { RequestFollower } from "../../src/core/request-follower.ts";
import type { InferenceRequest, RequestHead } from "../../src/core/request.ts";
import type { AdmissionCase, Admitted } from "../../src/data-plane/admission/admission.ts";
import { Routing } from "../../src/data-plane/routing.ts";
import { DecisionLog } from "../../src/data-plane/scheduling/decision-log.ts";
import type { Scheduled } from "../../src/data-plane/scheduling/scheduler.ts";
import { aContext, aDecision, aRequest } from "./builders.ts";

type Parsed = Extract<ParseResult, { kind: "parsed" }>;

export const parsedAs = (parts: Partial<Parsed>): Parsed => ({
  kind: "parsed",
  request: aRequest(),
  withModel: undefined,
  unread: undefined,
  ...parts,
});

/** A body that was compressed, with another model. */
const bodyOf = (model: string) => ({
  body: Buffer.from(model),
  removedHeaders: ["content-encoding"],
});

/** The parts of a routing that a test decides about. */
export interface Script {
  readonly bodyUse?: () => BodyUse;
  readonly readAhead?: NonNullable<RequestReader["readAhead"]>;
  readonly parse?: (head: RequestHead, body: SeenBody) => ParseResult;
  readonly usesModel?: () => boolean;
  readonly targetModelOf?: (model: string) => string;
  /** A promise lets the request wait until it settles. */
  readonly admit?: (asked: AdmissionCase) => Admitted | Promise<Refusal | undefined>;
  /** The pool when the turn of a request comes; by default that of its arrival. */
  readonly poolNow?: () => PoolSnapshot;
  /** Runs when a request leaves the queue before its turn. */
  readonly onLeave?: () => void;
  /** Runs with the answer of a request to its turn. */
  readonly onTurn?: (isTaken: boolean) => void;
  /** `mayRepeat`: the request waits, so that it may be scheduled again. */
  readonly schedule?: (
    request: InferenceRequest,
    pool: PoolSnapshot,
    mayRepeat: boolean,
  ) => Scheduled;
  readonly sent?: (sent: SentRequest, follow: (follower: RequestFollower) => void) => void;
}

/** A routing whose steps a test decides about. */
export class ScriptedRouting extends Routing {
  readonly #script: Script;

  constructor(script: Script) {
    super(
      {
        reader: {
          bodyUse: script.bodyUse ?? (() => "required"),
          readAhead: script.readAhead ?? (() => undefined),
          parse:
            script.parse ??
            ((_, body) => parsedAs({ withModel: typeof body === "string" ? undefined : bodyOf })),
        },
        rewriteModel: (_, model) => script.targetModelOf?.(model) ?? model,
        rewriteRules: () => [],
        usesModel: script.usesModel ?? (() => true),
        bodyRules: () => ({ parsers: [], usesModel: true }),
        priorityOf: () => 0,
        graph: {
          profiles: new Map(),
          handler: { next: () => undefined, primary: () => undefined, mistakeIn: () => undefined },
          producers: [],
          admitters: [],
          writers: [],
          hooks: [],
          detector: { saturation: () => 0 },
        },
        flow: undefined,
        agentIdOf: undefined,
        refusesUnknownModels: false,
        hasDebugHeader: false,
      },
      {
        ignoresSubset: false,
        bodyBytesMax: 1_000_000,
        log: new DecisionLog({ recordsMax: 1, numbersMax: 1 }),
      },
    );
    this.#script = script;
  }

  override admit(asked: AdmissionCase) {
    const { admit, poolNow, onLeave, onTurn } = this.#script;
    const answer = admit === undefined ? super.admit(asked) : admit(asked);
    if (!(answer instanceof Promise)) return answer;
    const waiter = asked.waiter();
    waiter.waits(() => onLeave?.());
    void answer.then((refusal) => {
      if (refusal !== undefined) {
        waiter.refuse(refusal, aStay);
        return;
      }
      const turn = { stay: aStay, heldFrom: undefined };
      const unsent = waiter.turn(poolNow?.() ?? asked.pool, turn);
      onTurn?.(unsent === undefined);
    });
    return "waits";
  }

  override schedule({ request, snapshot, mayRepeat }: Parameters<Routing["schedule"]>[0]) {
    const { schedule } = this.#script;
    return schedule?.(request, snapshot, mayRepeat === true) ?? scheduledAs(aDecision(), request);
  }

  override reschedule(asked: Parameters<Routing["reschedule"]>[0]) {
    return this.schedule(asked);
  }

  override sent(sent: SentRequest, follow: (follower: RequestFollower) => void) {
    this.#script.sent?.(sent, follow);
  }
}

/** The facts of any wait. */
const aStay: QueueStay = {
  band: 0,
  fairnessId: "default-flow",
  position: 0,
  waitedMs: 5,
  sentMeanwhile: 0,
  heldBy: undefined,
  outcome: "Dispatched",
};

/** A request that is sent where `decision` says. */
export function scheduledAs(decision: Decision, request: InferenceRequest): Scheduled {
  return { kind: "routed", decision, context: aContext({ request }) };
}
