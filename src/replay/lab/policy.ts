import type { RoutingParts } from "../../data-plane/routing.ts";
import type { Random } from "../../std/random.ts";
import type { LabEngine } from "./engine.ts";
import type { PromptNode } from "./prompt-tree.ts";

/** The view of a baseline, which has more than a picker knows. */
export interface LabView {
  readonly engines: readonly LabEngine[];
  readonly random: Random;
  readonly nowMs: () => number;
  /** The request of the decision under way. */
  readonly deciding: () => Deciding | undefined;
}

export interface Deciding {
  readonly conversation: number;
  readonly prompt: PromptNode;
  readonly outputTokens: number;
  readonly adapter: string | undefined;
}

/** A contestant: a document that our scheduler runs, or a baseline in its place. */
export interface Policy {
  readonly name: string;
  readonly document: string;
  /** Changes what the document was built to. */
  readonly adapt?: (parts: RoutingParts, view: LabView) => RoutingParts;
}
