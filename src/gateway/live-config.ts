import { hashOf } from "../config/read-document.ts";
import { Routing, type RoutingOptions } from "../data-plane/routing.ts";
import type { Clock } from "../std/clock.ts";
import { reasonOf } from "../std/reason-of.ts";
import { ConfigHistory } from "./config-history.ts";
import type { ConfigMetrics } from "./config-metrics.ts";
import { type Build, type BuildDeps, buildConfig } from "./build-config.ts";
import { loggedMistakes, type RefusedDocument, shownRefused } from "./refused-document.ts";
import {
  commitAll,
  type Prepared,
  prepareAll,
  type ReadyPart,
  type Reconfigurable,
  type Refused,
} from "./reconfigurable.ts";

interface ConfigLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface LiveConfigDeps extends BuildDeps {
  /** True if the first configuration is only used until its source has given one. */
  readonly startsWithStandIn: boolean;
  readonly clock: Clock;
  readonly log: ConfigLog;
  readonly metrics: Pick<ConfigMetrics, "started" | "applied" | "refused">;
  /** Everything that changes with the configuration, in the order in which it changes over. */
  readonly parts: readonly Reconfigurable<Build>[];
}

type PreparedBuild =
  | { readonly kind: "ready"; readonly build: Build; readonly parts: readonly ReadyPart[] }
  | Refused;

/** The configuration in force, as the live page shows it. */
interface ConfigGlance {
  readonly hash: string;
  readonly standIn: boolean;
  readonly appliedAt: string;
  readonly warnings: readonly string[];
  /** True if the last document read is not in force. */
  readonly isRefused: boolean;
  readonly history: ReturnType<ConfigHistory["page"]>;
}

/**
 * The configuration in force. A document is parsed, validated and built while the current one stays
 * in force, and replaces it in one step between two requests, or changes nothing.
 */
export class LiveConfig {
  readonly #deps: LiveConfigDeps;
  #inForce: Build;
  #appliedAtMs: number;
  #refused: RefusedDocument | undefined;
  readonly #history: ConfigHistory;
  #isStandIn: boolean;
  /** The hash of the last document read, which is not applied again; empty if it is to be. */
  #lastHash: string;
  /** Documents are applied one after another, in the order they came. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(first: Build, deps: LiveConfigDeps) {
    this.#deps = deps;
    this.#inForce = first;
    this.#isStandIn = deps.startsWithStandIn;
    // A document is applied even if it equals the stand-in.
    this.#lastHash = deps.startsWithStandIn ? "" : first.document.hash;
    this.#appliedAtMs = deps.clock.wallMs();
    this.#history = new ConfigHistory(deps.clock);
    this.#history.add("started", { hash: first.document.hash });
    first.keepMemory();
    deps.metrics.started(this.#appliedAtMs);
    this.#warnOf(first);
  }

  get inForce(): Build {
    return this.#inForce;
  }

  /** Mistakes of the last document read; empty if it is in force. */
  get mistakes(): readonly string[] {
    return this.#refused?.mistakes ?? [];
  }

  /** True if no document of the configuration's source has been in force yet. */
  get isStandIn(): boolean {
    return this.#isStandIn;
  }

  /** Puts a document in force, or reports its mistakes and changes nothing. */
  apply(text: string, source: string): Promise<"applied" | "refused" | "unchanged"> {
    const applied = this.#queue.then(() => this.#apply(text, source));
    this.#queue = applied.catch(() => undefined);
    return applied;
  }

  /** Notes a document that cannot be read at all as refused. */
  refuse(reason: string, source: string): void {
    // The previous document may come back, and must then be applied.
    this.#lastHash = "";
    this.#refuse({ hash: "", mistakes: [reason] }, source);
  }

  /** The state of the configuration without its text. */
  glance(): ConfigGlance {
    const { document, plan } = this.#inForce;
    return {
      hash: document.hash,
      standIn: this.#isStandIn,
      appliedAt: new Date(this.#appliedAtMs).toISOString(),
      warnings: plan.warnings,
      isRefused: this.#refused !== undefined,
      history: this.#history.page(),
    };
  }

  /** The content of `/debug/config`. */
  page(): unknown {
    const { document, plan } = this.#inForce;
    return {
      hash: document.hash,
      standIn: this.#isStandIn,
      appliedAt: new Date(this.#appliedAtMs).toISOString(),
      warnings: plan.warnings,
      refused: shownRefused(this.#refused),
      history: this.#history.page(),
      document: document.text,
    };
  }

  async #apply(text: string, source: string): Promise<"applied" | "refused" | "unchanged"> {
    const hash = hashOf(text);
    if (hash === this.#lastHash) return "unchanged";
    this.#lastHash = hash;
    if (hash === this.#inForce.document.hash) {
      // Back to the document in force: the refused one is gone.
      const wasStandIn = this.#isStandIn;
      this.#history.add(wasStandIn ? "applied" : "restored", { hash, source });
      this.#refused = undefined;
      this.#isStandIn = false;
      this.#deps.metrics.applied(this.#appliedAtMs);
      this.#deps.log.info(
        { source, hash },
        wasStandIn ? "configuration applied" : "configuration restored",
      );
      return wasStandIn ? "applied" : "unchanged";
    }
    const prepared = await this.#prepare(text).catch((cause: unknown) => {
      // A document never ends a running gateway.
      this.#deps.log.error({ source, hash, err: cause }, "configuration build failed");
      return internalError(cause);
    });
    if (prepared.kind === "invalid") return this.#refuse({ hash, ...prepared }, source);

    // One step: no request sees a part of it.
    const failures = commitAll(prepared.parts);
    this.#inForce = prepared.build;
    this.#refused = undefined;
    this.#isStandIn = false;
    this.#appliedAtMs = this.#deps.clock.wallMs();
    this.#deps.metrics.applied(this.#appliedAtMs);
    this.#history.add("applied", { hash, source });
    this.#deps.log.info({ source, hash }, "configuration applied");
    for (const { part, cause } of failures) {
      this.#deps.log.error({ source, hash, part, err: cause }, "configuration part failed");
    }
    this.#warnOf(prepared.build);
    return "applied";
  }

  async #prepare(text: string): Promise<PreparedBuild> {
    const result = buildConfig(text, this.#deps);
    if (result.kind === "invalid") return result;
    const { build } = result;
    const prepared = await prepareAll(this.#deps.parts, build, this.#inForce);
    if (prepared.kind === "ready") return { ...prepared, build };
    // The cause is outside of the document, such as a missing file, so reading it again may help.
    this.#lastHash = "";
    return prepared;
  }

  #refuse(
    { hash, mistakes }: { readonly hash: string; readonly mistakes: readonly string[] },
    source: string,
  ): "refused" {
    this.#refused = { hash, atMs: this.#deps.clock.wallMs(), mistakes };
    this.#deps.metrics.refused();
    this.#history.add("refused", { hash, source, mistakes });
    this.#deps.log.error(
      {
        source,
        hash,
        ...loggedMistakes(mistakes),
        inForce: this.#isStandIn ? "default" : "previous",
      },
      "configuration refused",
    );
    return "refused";
  }

  #warnOf({ plan }: Build): void {
    if (plan.warnings.length > 0) {
      this.#deps.log.warn({ warnings: plan.warnings }, "configuration accepted with warnings");
    }
  }
}

function internalError(cause: unknown): Refused {
  const reason = reasonOf(cause);
  return { kind: "invalid", mistakes: [`internal error (bug): ${reason}`] };
}

/** Memory of plugins: kept for plugins of the build in force, dropped for the rest. */
export const pluginMemory: Reconfigurable<Pick<Build, "keepMemory">> = {
  name: "plugin memory",
  prepare: (next) => ({ kind: "ready", commit: () => next.keepMemory() }),
};

/** The routing of the build in force: a request takes it once and keeps it to its end. */
export class LiveRouting implements Reconfigurable<Pick<Build, "dataPlane">> {
  readonly name = "routing";
  readonly #options: RoutingOptions;
  #inForce: Routing;

  constructor({ dataPlane }: Pick<Build, "dataPlane">, options: RoutingOptions) {
    this.#options = options;
    this.#inForce = new Routing(dataPlane, options);
  }

  get inForce(): Routing {
    return this.#inForce;
  }

  prepare({ dataPlane }: Pick<Build, "dataPlane">): Prepared {
    const routing = new Routing(dataPlane, this.#options);
    return {
      kind: "ready",
      commit: () => {
        this.#inForce = routing;
      },
    };
  }
}
