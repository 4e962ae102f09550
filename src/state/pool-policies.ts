import type { PolicyView, RewriteRule } from "../core/policies.ts";

/** Policies for requests from objects of a cluster. Writer: the source that follows them. */
export class PoolPolicies implements PolicyView {
  #priorities: ReadonlyMap<string, number> = new Map();
  #objectivePriorities: readonly number[] = [];
  #rewriteRules: readonly RewriteRule[] = [];

  priorityOf(objective: string): number | undefined {
    return this.#priorities.get(objective);
  }

  get rewriteRules(): readonly RewriteRule[] {
    return this.#rewriteRules;
  }

  /** Priorities by the name of their objective. */
  set priorities(priorities: ReadonlyMap<string, number>) {
    this.#priorities = priorities;
    this.#objectivePriorities = [...new Set(priorities.values())];
  }

  get objectivePriorities(): readonly number[] {
    return this.#objectivePriorities;
  }

  set rewriteRules(rules: readonly RewriteRule[]) {
    this.#rewriteRules = rules;
  }
}
