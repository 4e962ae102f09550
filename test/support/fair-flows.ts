import type { DataPlanePlugin } from "../../src/core/data-plane-plugin.ts";
import type { FlowPicker, QueuedRequest } from "../../src/core/flow-control.ts";
import type { InferenceRequest } from "../../src/core/request.ts";
import type { RequestRecord } from "../../src/core/request-record.ts";
import type { TokenUsage } from "../../src/core/usage.ts";
import { buildPlugin } from "./build-plugin.ts";
import { aContext, aDecision, aHead, aRequest } from "./builders.ts";
import { pluginDeps } from "./plugin-deps.ts";

/** Ends a request that was sent; without an argument, its usage is not known. */
type End = (usage?: Partial<TokenUsage>) => void;

/** A fairness policy that counts tokens, and flows whose requests it chooses. */
export class FairFlows {
  /** Tokens of prompts that were sent, by flow. */
  readonly tokens = new Map<string, number>();
  readonly #hooks;
  readonly #pickers = new Map<number, FlowPicker>();
  readonly #policy;

  constructor(plugin: DataPlanePlugin, parameters: Readonly<Record<string, unknown>> = {}) {
    const { fairness, hooks } = buildPlugin(plugin, parameters, pluginDeps());
    this.#policy = fairness;
    this.#hooks = hooks;
  }

  /** The flow whose turn it is among these, of which `requests` has the first one of each. */
  turn(requests: ReadonlyMap<string, InferenceRequest>, nowMs = 0, priority = 0) {
    const ids = [...requests.keys()].toSorted();
    const flows = ids.map((fairnessId) => {
      // Policies read nothing else of a request.
      const first = { request: requests.get(fairnessId) } as QueuedRequest;
      return { fairnessId, first, size: 1 };
    });
    return this.#pickerOf(priority).pick(flows, nowMs)?.fairnessId;
  }

  /** The flow whose turn it is among these. */
  turnOf(ids: readonly string[], nowMs = 0): string | undefined {
    return this.turn(new Map(ids.map((id) => [id, this.request(id, 1)])), nowMs);
  }

  request(id: string, promptTokens: number): InferenceRequest {
    const head = aHead({ headers: new Map([["x-llm-d-inference-fairness-id", id]]) });
    return aRequest({ head, promptTokens });
  }

  /** Sends a new request, or this one; the result ends it. */
  send(id: string, promptTokens: number, request = this.request(id, promptTokens)): End {
    this.tokens.set(id, (this.tokens.get(id) ?? 0) + promptTokens);
    const context = aContext({ request });
    const follower = this.#hooks?.sent?.({ context, decision: aDecision() });
    return (parts) => {
      const usage = parts && { promptTokens, outputTokens: 0, cachedTokens: undefined, ...parts };
      // Policies read the usage of a record alone.
      follower?.ended?.({ usage } as RequestRecord);
    };
  }

  #pickerOf(priority: number): FlowPicker {
    const known = this.#pickers.get(priority) ?? this.#policy?.pickerOf?.(priority);
    if (known === undefined) throw new Error("flows do not matter");
    this.#pickers.set(priority, known);
    return known;
  }
}
