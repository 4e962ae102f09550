import type { ShadowPage } from "../../admin/shadow-page.ts";
import { hashOf } from "../../config/read-document.ts";
import type { DecisionLog } from "../../data-plane/scheduling/decision-log.ts";
import { SecondScheduler } from "../../data-plane/scheduling/second-scheduler.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestStudy } from "../../core/request-study.ts";
import type { PluginMemory } from "../../state/plugin-memory.ts";
import type { Clock } from "../../std/clock.ts";
import { readTextFile } from "../../std/file-reading.ts";
import { watchFile } from "../../std/file-watch.ts";
import { freshRandom } from "../../std/random.ts";
import { reasonOf } from "../../std/reason-of.ts";
import type { KnownModels } from "../../telemetry/label-sets.ts";
import type { MetricsRegistry } from "../../telemetry/metrics-registry.ts";
import { type Build, type BuildDeps, buildConfig } from "../build-config.ts";
import type { Pool } from "../pool.ts";
import { loggedMistakes, type RefusedDocument, shownRefused } from "../refused-document.ts";
import type { Reconfigurable } from "../reconfigurable.ts";
import { CpuBudget } from "./cpu-budget.ts";
import { differencesOf } from "./document-differences.ts";
import { registerShadowMetrics } from "./metrics.ts";
import { Mirror } from "./mirror.ts";
import type { RolloutArms } from "./rollout-arms.ts";
import { registerRolloutMetrics } from "./rollout-metrics.ts";
import { ShadowRollout } from "./shadow-rollout.ts";
import { Ruler } from "./ruler.ts";
import { ShadowStudy } from "./shadow-study.ts";
import { ShadowTally } from "./shadow-tally.ts";

/** Shortest time between two logged failures of a shadow document. */
const failureLogMs = 60_000;

interface ShadowLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ShadowDeps {
  /** Where decisions of a rollout are recorded. */
  readonly decisions: DecisionLog;
  /** The file of the shadow document. */
  readonly file: string;
  readonly build: Omit<BuildDeps, "memory" | "random">;
  /** Memories of its plugins and of those that measure; they hear of endpoints that come and go. */
  readonly memory: PluginMemory;
  readonly rulerMemory: PluginMemory;
  readonly pool: Pick<Pool, "health" | "facts">;
  readonly ignoresSubset: boolean;
  readonly clock: Clock;
  /** Milliseconds for which the event loop has been busy. */
  readonly busyMs: () => number;
  readonly log: ShadowLog;
  readonly registry: MetricsRegistry;
  readonly known: KnownModels;
  readonly fairnessIdsMax: number | undefined;
  readonly inForce: () => Build;
}

/** A shadow document in use. */
interface InUse {
  readonly build: Build;
  readonly source: string;
  readonly study: ShadowStudy;
  readonly tally: ShadowTally;
  readonly budget: CpuBudget;
  readonly sinceWallMs: number;
}

/**
 * The shadow document: a second configuration whose decisions are compared with those in force. It is followed in a file like the
 * first one; without the file there is none. It cannot change a request, and what it throws ends here.
 */
export class Shadow implements RequestStudy {
  readonly #deps: ShadowDeps;
  readonly #ruler: Ruler;
  readonly #random = freshRandom();
  readonly #rollout: ShadowRollout;
  readonly #mirror: Mirror;
  #inUse: InUse | undefined;
  #refused: RefusedDocument | undefined;
  /** Hash of the last text read; undefined before the first one. */
  #lastHash: string | undefined;
  #failureLoggedMs = Number.NEGATIVE_INFINITY;
  /** Time that earlier documents took. */
  #earlierMs = 0;
  #earlierFailures = 0;

  constructor(deps: ShadowDeps) {
    this.#deps = deps;
    this.#ruler = new Ruler(deps);
    const onFailure = (cause: unknown) => {
      this.#earlierFailures += 1;
      this.#failed(cause);
    };
    this.#rollout = new ShadowRollout({ ...deps, random: this.#random, onFailure });
    this.#mirror = new Mirror({
      ...deps,
      pool: () => this.#poolNow(),
      spent: (ms) => this.#inUse?.budget.spentBeyond(ms),
      onFailure,
    });
    registerRolloutMetrics(deps.registry, {
      counts: this.#rollout.arms.counts,
      page: () => this.#rollout.page(),
    });
    registerShadowMetrics(deps.registry, {
      tally: () => this.#inUse?.tally,
      sampled: (work) => this.#sampled(work),
      isRefused: () => this.#refused !== undefined,
      cpuMs: () => this.#earlierMs + (this.#inUse?.budget.totalMs ?? 0),
      failures: () => this.#earlierFailures + (this.#inUse?.study.failures ?? 0),
    });
  }

  /** The requests about which the shadow document decides. */
  get arms(): RolloutArms {
    return this.#rollout.arms;
  }

  /** Tells the rollout that another document comes into force. */
  get part(): Reconfigurable<Build> {
    return {
      name: "shadow document",
      prepare: (next, previous) => ({
        kind: "ready",
        commit: () => {
          const build = this.#inUse?.build;
          if (build !== undefined) this.#rollout.reconfigured(build, next, previous);
        },
      }),
    };
  }

  sent(...asked: Parameters<RequestStudy["sent"]>): RequestFollower | undefined {
    const [sent] = asked;
    if (sent.decision.madeBy === "shadow") return this.#mirror.sent(sent);
    return this.#inUse?.study.sent(...asked);
  }

  /** Follows the file until `signal` has aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    const { file, clock, log } = this.#deps;
    const onChange = async () => {
      const reading = await readTextFile(file);
      if (reading.kind === "vanished") this.remove();
      else if (reading.kind === "read") this.apply(reading.text, file);
      else this.#refuse({ hash: reading.hash, mistakes: [reading.mistake] }, file);
    };
    const onUnwatchable = (cause: unknown) => {
      log.warn({ path: file, err: cause }, "shadow document watch failed; polling started");
    };
    await watchFile(file, { clock, onChange, onUnwatchable }, signal);
  }

  /** Compares with this document from now on, or reports its mistakes and goes on with the one before. */
  apply(text: string, source: string): void {
    if (text.trim() === "") return this.remove();
    const hash = hashOf(text);
    if (hash === this.#lastHash) return;
    this.#lastHash = hash;
    if (hash === this.#inUse?.build.document.hash) {
      // Back to the document in use: the refused one is gone.
      this.#refused = undefined;
      return;
    }
    const result = this.#built(text);
    if (result.kind === "invalid") return this.#refuse({ hash, ...result }, source);
    this.#use(result.build, source);
    const { warnings } = result.build.plan;
    const differences = this.#differences();
    this.#deps.log.info({ source, hash, warnings, differences }, "shadow document applied");
  }

  /** Compares with no document from now on. */
  remove(): void {
    this.#refused = undefined;
    this.#lastHash = undefined;
    if (this.#inUse === undefined) return;
    const { hash } = this.#inUse.build.document;
    this.#rollout.end();
    this.#letGo();
    this.#inUse = undefined;
    this.#deps.memory.open().keep();
    this.#deps.log.info({ hash }, "shadow document removed");
  }

  page(): ShadowPage {
    const { inForce } = this.#deps;
    const current = this.#inUse;
    return {
      enabled: true,
      document:
        current === undefined
          ? null
          : {
              hash: current.build.document.hash,
              source: current.source,
              appliedAt: new Date(current.sinceWallMs).toISOString(),
              isInForce: current.build.document.hash === inForce().document.hash,
              warnings: [...current.build.plan.warnings, ...this.#differences()],
              text: current.build.document.text,
            },
      refused: shownRefused(this.#refused),
      learnedRatio: this.#sampled("learned"),
      comparedRatio: this.#sampled("compared"),
      cpuBudgetRatio: current?.budget.share ?? 0,
      cpuUsedRatio: current?.budget.used ?? 0,
      failures: current?.study.failures ?? 0,
      rollout: this.#rollout.page(),
      ...(current?.tally ?? this.#newTally()).numbers(),
      differences: current?.study.differences ?? [],
    };
  }

  /** Share of the requests; in a rollout, all are compared. */
  #sampled(work: "learned" | "compared"): number {
    if (this.#inUse === undefined) return 0;
    return this.#rollout.isOn ? 1 : this.#inUse.budget[work];
  }

  #built(text: string): ReturnType<typeof buildConfig> {
    try {
      return buildConfig(text, {
        ...this.#deps.build,
        memory: this.#deps.memory,
        random: this.#random,
      });
    } catch (cause) {
      return { kind: "invalid", mistakes: [`internal error (bug): ${reasonOf(cause)}`] };
    }
  }

  #use(build: Build, source: string): void {
    const { clock, ignoresSubset } = this.#deps;
    this.#letGo();
    this.#refused = undefined;
    build.keepMemory();
    const { graph, refusesUnknownModels } = build.dataPlane;
    const tally = this.#newTally();
    const budget = new CpuBudget(build.plan.shadowCpuBudgetRatio, this.#deps.busyMs);
    const study = new ShadowStudy({
      second: new SecondScheduler(graph, { ignoresSubset, refusesUnknownModels }),
      ruler: () => this.#ruler.scheduler(build.dataPlane.graph),
      pool: () => this.#poolNow(),
      tally,
      budget,
      random: this.#random,
      clock,
      comparesAll: () => this.#rollout.isOn,
      onFailure: (cause) => this.#failed(cause),
    });
    this.#inUse = { build, source, study, tally, budget, sinceWallMs: clock.wallMs() };
    this.#rollout.begin(build, this.#deps.inForce());
  }

  #poolNow() {
    const { standing } = this.#deps.pool.health;
    const { models, pastModels } = this.#deps.pool.facts;
    return { standing, models, pastModels };
  }

  #newTally(): ShadowTally {
    const { known, clock, fairnessIdsMax } = this.#deps;
    return new ShadowTally({ known, nowMs: () => clock.nowMs(), fairnessIdsMax });
  }

  /** Keeps the sums of the document in use that are not its own. */
  #letGo(): void {
    this.#earlierMs += this.#inUse?.budget.totalMs ?? 0;
    this.#earlierFailures += this.#inUse?.study.failures ?? 0;
  }

  #differences(): readonly string[] {
    const build = this.#inUse?.build;
    return build === undefined ? [] : differencesOf(build.plan, this.#deps.inForce().plan);
  }

  #refuse(
    { hash, mistakes }: { readonly hash: string; readonly mistakes: readonly string[] },
    source: string,
  ): void {
    this.#refused = { hash, atMs: this.#deps.clock.wallMs(), mistakes };
    const inUse = this.#inUse?.build.document.hash ?? null;
    this.#deps.log.error(
      { source, hash, ...loggedMistakes(mistakes), inUse },
      "shadow document refused",
    );
  }

  #failed(cause: unknown): void {
    const hash = this.#inUse?.build.document.hash ?? null;
    const nowMs = this.#deps.clock.nowMs();
    if (nowMs - this.#failureLoggedMs < failureLogMs) return;
    this.#failureLoggedMs = nowMs;
    this.#deps.log.error({ hash, err: cause }, "shadow document failed (bug)");
  }
}
