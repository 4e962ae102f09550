import type { PoolPolicies } from "../../state/pool-policies.ts";
import type { KubeObject } from "../kubernetes/kube-api.ts";
import { Reflector, type ReflectorDeps } from "../kubernetes/reflector.ts";
import { modelRewriteOf, rewriteRulesOf } from "./inference-model-rewrite.ts";
import { objectiveOf, prioritiesOf } from "./inference-objective.ts";
import type { PolicyTarget } from "./pool-ref.ts";

/**
 * API groups of the objects, in order of precedence. Objects of the legacy group count for as long
 * as the first group has none for the pool, so that operators can migrate step by step.
 */
const groups = ["llm-d.ai", "inference.networking.x-k8s.io"] as const;
const version = "v1alpha2";

export interface PolicySourceDeps extends ReflectorDeps {
  readonly policies: PoolPolicies;
}

export interface PolicySourceOptions {
  readonly namespace: string;
  readonly target: PolicyTarget;
}

/** The effect of the objects of a kind. */
interface Policy<T> {
  /** `InferenceObjective` */
  readonly kind: string;
  readonly resource: string;
  readonly keep: (object: KubeObject) => T | undefined;
  readonly apply: (items: readonly T[]) => void;
}

/**
 * Follows InferenceObjectives and InferenceModelRewrites of a pool, if their kinds are installed.
 */
export class PolicySource {
  readonly #options: PolicySourceOptions;
  readonly #deps: PolicySourceDeps;
  readonly #reflectors: readonly Reflector<unknown>[];

  constructor(options: PolicySourceOptions, deps: PolicySourceDeps) {
    this.#options = options;
    this.#deps = deps;
    const { target } = options;
    const { policies } = deps;
    this.#reflectors = [
      ...this.#follow({
        kind: "InferenceObjective",
        resource: "inferenceobjectives",
        keep: (object) => objectiveOf(object, target),
        apply: (objectives) => {
          policies.priorities = prioritiesOf(objectives);
        },
      }),
      ...this.#follow({
        kind: "InferenceModelRewrite",
        resource: "inferencemodelrewrites",
        keep: (object) => modelRewriteOf(object, target),
        apply: (rewrites) => {
          policies.rewriteRules = rewriteRulesOf(rewrites);
        },
      }),
    ];
  }

  /** The watched objects, for people. */
  get follows() {
    return this.#reflectors.map((reflector) => reflector.status);
  }

  /** Resolves when `signal` has aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#reflectors.map((reflector) => reflector.run(signal)));
  }

  #follow<T>({ kind, resource, keep, apply }: Policy<T>): Reflector<T>[] {
    const { namespace } = this.#options;
    let count = -1;
    const onChange = () => {
      const items = inForce(reflectors);
      if (items === undefined) return;
      apply(items);
      if (items.length !== count)
        this.#deps.log.info({ kind, count: items.length }, "policies updated");
      count = items.length;
    };
    const reflectors = groups.map(
      (group) =>
        new Reflector(
          {
            what: `${kind}s of ${group}`,
            path: `/apis/${group}/${version}/namespaces/${namespace}/${resource}`,
            keep,
            onChange,
          },
          this.#deps,
        ),
    );
    return reflectors;
  }
}

/** The objects of the first group that has any; undefined until that is known. */
function inForce<T>(reflectors: readonly Reflector<T>[]): readonly T[] | undefined {
  for (const { state, items } of reflectors) {
    if (state === "unread") return undefined;
    if (items.size > 0) return [...items.values()];
  }
  return [];
}
