import type { Refusal } from "../../core/errors.ts";

/** Maximum characters of the client's model name that an error shows. */
const shownNameMax = 256;

/** A request that got no endpoint. */
export interface Refused {
  readonly kind: "refused";
  readonly refusal: Refusal;
  /** True if no endpoint can take the request now. */
  readonly isUnplaced?: boolean;
  /** Number of this decision in the decision log. */
  readonly recordId?: number | undefined;
}

export function modelNotFound(model: string): Refused {
  const message = `no model server serves the model ${JSON.stringify(model.slice(0, shownNameMax))}`;
  return { kind: "refused", refusal: { code: "model_not_found", message } };
}

export const saturated: Refused = {
  kind: "refused",
  isUnplaced: true,
  refusal: { code: "saturated", message: "no suitable endpoint for this request now" },
};

export function noCandidates(endpointCount: number): Refused {
  const message =
    endpointCount === 0
      ? "no model server is ready"
      : "no model server in the gateway's subset is ready";
  return { kind: "refused", refusal: { code: "no_endpoints", message }, isUnplaced: true };
}
