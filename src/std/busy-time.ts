import { performance } from "node:perf_hooks";

/** Milliseconds for which the event loop of this thread has been busy. */
export function busyMs(): number {
  return performance.eventLoopUtilization().active;
}
