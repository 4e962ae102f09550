import type { FlowControlPlan } from "../../../core/flow-control.ts";

/** Places that are taken, over all bands and in one of them. */
interface Taken {
  readonly plan: Pick<FlowControlPlan, "requestsMax" | "bytesMax">;
  readonly size: number;
  readonly heldBytes: number;
  readonly band: {
    readonly priority: number;
    readonly size: number;
    readonly heldBytes: number;
    readonly plan: { readonly requestsMax: number; readonly bytesMax: number };
  };
}

/** Requests that want a place, and their memory. */
interface Wanted {
  readonly count: number;
  readonly bytes: number;
}

export interface LimitReached {
  /** True if it is a limit of the band, false for one over all bands. */
  readonly isOfBand: boolean;
  /** The limit and its value, for the client. */
  readonly message: string;
}

/** The first limit that these requests would exceed; undefined if they fit. */
export function overLimit(
  { plan, size, heldBytes, band }: Taken,
  { count, bytes }: Wanted,
): LimitReached | undefined {
  const ofBand = `of priority ${band.priority}`;
  if (heldBytes + bytes > plan.bytesMax) {
    return general(
      `requests that wait hold ${plan.bytesMax} bytes, the limit (flowControl.maxBytes)`,
    );
  }
  if (size + count > plan.requestsMax) {
    return general(`${plan.requestsMax} requests wait, the limit (flowControl.maxRequests)`);
  }
  if (band.heldBytes + bytes > band.plan.bytesMax) {
    return own(
      `requests ${ofBand} that wait hold ${band.plan.bytesMax} bytes, the limit (maxBytes of the band)`,
    );
  }
  if (band.size + count > band.plan.requestsMax) {
    return own(
      `${band.plan.requestsMax} requests ${ofBand} wait, the limit (maxRequests of the band)`,
    );
  }
  return undefined;
}

function general(message: string): LimitReached {
  return { isOfBand: false, message };
}

function own(message: string): LimitReached {
  return { isOfBand: true, message };
}
