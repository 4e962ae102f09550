import { isDeepStrictEqual } from "node:util";
import type { RolloutPage } from "../../admin/shadow-page.ts";
import type { PluginKind } from "../../core/plugin.ts";
import type { Plan } from "../../core/plan.ts";
import type { RolloutSettings } from "../../core/rollout-settings.ts";
import type { RequestHead } from "../../core/request.ts";
import type { DecisionLog } from "../../data-plane/scheduling/decision-log.ts";
import { Scheduler } from "../../data-plane/scheduling/scheduler.ts";
import type { Clock } from "../../std/clock.ts";
import type { RepeatableRandom } from "../../std/random.ts";
import type { Build } from "../build-config.ts";
import { measures, Rollout } from "./rollout.ts";
import { RolloutArms } from "./rollout-arms.ts";

interface RolloutLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface RolloutDeps {
  readonly clock: Clock;
  readonly log: RolloutLog;
  readonly random: RepeatableRandom;
  readonly decisions: DecisionLog;
  readonly ignoresSubset: boolean;
  readonly onFailure: (cause: unknown) => void;
}

/** Kinds of plugins that have no part in the choice of an endpoint. */
const otherKinds: ReadonlySet<PluginKind> = new Set([
  "parser",
  "data-source",
  "extractor",
  "discovery",
]);

/** Runs the rollout of one shadow document after another. */
export class ShadowRollout {
  readonly arms: RolloutArms;
  readonly #deps: RolloutDeps;
  /** The last one that was rolled back: a file that vanishes for a moment must not start it again. */
  #rolledBack: { readonly hash: string; readonly rollout: Rollout } | undefined;

  constructor(deps: RolloutDeps) {
    this.#deps = deps;
    this.arms = new RolloutArms(deps.clock);
  }

  /** True while both documents decide about requests, or the shadow document about all: each has to learn from all. */
  get isOn(): boolean {
    return (this.arms.running?.rollout.share ?? 0) > 0;
  }

  /** Begins with a shadow document, if it is to take over requests. */
  begin(build: Build, inForce: Build): void {
    this.arms.running = undefined;
    const settings = build.plan.rollout;
    const { hash } = build.document;
    if (settings === undefined || hash === inForce.document.hash) return;
    const before = this.#rolledBack;
    const rollout = before?.hash === hash ? before.rollout : this.#started(hash, settings);
    const salt = Number.parseInt(hash.slice(0, 8), 16);
    this.arms.running = { rollout, arm: this.#armOf(build, inForce), hash, salt };
  }

  #started(hash: string, settings: RolloutSettings): Rollout {
    const { clock, log } = this.#deps;
    const rollout = new Rollout(
      settings,
      {
        stepped: (share, facts) =>
          log.info({ hash, percent: percentOf(share), ...facts }, "rollout step reached"),
        promoted: (facts) => log.warn({ hash, advice, ...facts }, "rollout promoted"),
        rolledBack: (reasons, facts) => {
          this.#rolledBack = { hash, rollout };
          log.warn({ hash, reasons, ...facts }, "rollout rolled back");
        },
      },
      clock.nowMs(),
    );
    log.info({ hash, percent: percentOf(rollout.share) }, "rollout started");
    return rollout;
  }

  end(): void {
    this.arms.running = undefined;
  }

  /** Another document comes into force. A step begins again if it decides in another way. */
  reconfigured(shadow: Build, next: Build, previous: Build): void {
    const { running } = this.arms;
    if (running === undefined) return;
    const { clock, log } = this.#deps;
    const { hash } = shadow.document;
    if (hash === next.document.hash && running.rollout.state !== "promoted") return this.end();
    this.arms.running = { ...running, arm: this.#armOf(shadow, next) };
    if (running.rollout.state !== "comparing") return;
    if (isDeepStrictEqual(schedulingOf(next.plan), schedulingOf(previous.plan))) return;
    running.rollout.restartStep(clock.nowMs());
    log.info({ hash, percent: percentOf(running.rollout.share) }, "rollout step restarted");
  }

  page(): RolloutPage | null {
    const { running } = this.arms;
    if (running === undefined) return null;
    const { rollout } = running;
    const { clock } = this.#deps;
    const { errors, times } = rollout.comparison;
    const sinceMs = clock.wallMs() - (clock.nowMs() - rollout.sinceMs);
    return {
      state: rollout.state,
      shareRatio: rollout.share,
      steps: rollout.settings.steps,
      since: new Date(sinceMs).toISOString(),
      overdueRatio: rollout.overdueRatio(clock.nowMs()),
      waitsFor: rollout.waitsFor(clock.nowMs()),
      reasons: rollout.reasons,
      requests: { ...errors.requests },
      errors: { ...errors.errors },
      rises: measures.map((measure) => ({
        measure,
        pairs: times[measure].count,
        rise: times[measure].rise ?? null,
      })),
      advice: rollout.state === "promoted" ? advice : null,
    };
  }

  #armOf({ dataPlane }: Build, inForce: Build) {
    const { decisions, random, ignoresSubset, clock, onFailure } = this.#deps;
    const { graph, refusesUnknownModels } = dataPlane;
    const scheduler = new Scheduler(graph, {
      ignoresSubset,
      refusesUnknownModels,
      // Whether requests wait is up to the queue, which is that of the document in force.
      awaitsModels: inForce.dataPlane.flow !== undefined,
      madeBy: "shadow",
      nowMs: () => clock.nowMs(),
      log: {
        rows: decisions.rows,
        isNextWhole: (count) => decisions.isNextWhole(count),
        get chance() {
          return random.state;
        },
        record: (facts) => decisions.record(facts),
      },
    });
    const failed = (head: RequestHead, cause: unknown) => {
      this.arms.thrown(head);
      onFailure(cause);
    };
    return { graph, scheduler, failed };
  }
}

const advice =
  "the shadow document decides about all requests: make it the configuration, and then remove it as the shadow document";

function percentOf(share: number): number {
  return Math.round(share * 10_000) / 100;
}

/** The part of a plan that chooses endpoints. */
function schedulingOf({ profiles, plugins }: Plan): unknown {
  return {
    profiles: profiles.map(({ name, plugins: uses }) => [
      name,
      uses.map(({ use, weight }) => [use.name, weight]),
    ]),
    plugins: [...plugins.values()]
      .filter(({ plugin }) => plugin.kinds.every((kind) => !otherKinds.has(kind)))
      .map(({ name, plugin, loaded }) => [name, plugin.type, loaded.parameters]),
  };
}
