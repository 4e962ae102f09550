import type { FlowControlPlan } from "../../../core/flow-control.ts";

/** Places that are taken. */
interface Taken {
  /** Requests that wait, over all bands. */
  readonly size: number;
  readonly heldBytes: number;
  readonly band: TakenOfBand;
}

interface TakenOfBand {
  readonly priority: number;
  readonly size: number;
  readonly heldBytes: number;
  readonly plan: { readonly requestsMax: number; readonly bytesMax: number };
}

export interface LimitReached {
  /** True if it is a limit of the band, false for one over all bands. */
  readonly isOfBand: boolean;
  /** The limit and its value, for the client. */
  readonly message: string;
}

/** The first limit that requests of these bytes would exceed; undefined if they fit. */
export function overLimit(
  plan: Pick<FlowControlPlan, "requestsMax" | "bytesMax">,
  { size, heldBytes, band }: Taken,
  bytes: number,
  count = 1,
): LimitReached | undefined {
  const ofBand = `of priority ${band.priority}`;
  if (heldBytes + bytes > plan.bytesMax) {
    return {
      isOfBand: false,
      message: `requests that wait hold ${plan.bytesMax} bytes, the limit (flowControl.maxBytes)`,
    };
  }
  if (size + count > plan.requestsMax) {
    return {
      isOfBand: false,
      message: `${plan.requestsMax} requests wait, the limit (flowControl.maxRequests)`,
    };
  }
  if (band.heldBytes + bytes > band.plan.bytesMax) {
    return {
      isOfBand: true,
      message: `requests ${ofBand} that wait hold ${band.plan.bytesMax} bytes, the limit (maxBytes of the band)`,
    };
  }
  if (band.size + count > band.plan.requestsMax) {
    return {
      isOfBand: true,
      message: `${band.plan.requestsMax} requests ${ofBand} wait, the limit (maxRequests of the band)`,
    };
  }
  return undefined;
}
