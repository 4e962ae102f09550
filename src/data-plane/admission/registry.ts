import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import { latencySloAdmitter } from "./admitters/latency-slo.ts";
import { probabilisticAdmitter } from "./admitters/probabilistic.ts";
import { concurrencyDetector } from "./detectors/concurrency.ts";
import { expectedWaitDetector } from "./detectors/expected-wait.ts";
import { utilizationDetector } from "./detectors/utilization.ts";
import { deficitRoundRobinFairness } from "./fairness/deficit-round-robin.ts";
import { globalStrictFairness } from "./fairness/global-strict.ts";
import { programAwareFairness } from "./fairness/program-aware.ts";
import { roundRobinFairness } from "./fairness/round-robin.ts";
import { edfOrdering } from "./ordering/edf.ts";
import { fcfsOrdering } from "./ordering/fcfs.ts";
import { virtualTokenCounterFairness } from "./fairness/virtual-token-counter.ts";
import { boundedResponseRatioOrdering, responseRatioOrdering } from "./ordering/response-ratio.ts";
import { sloDeadlineOrdering } from "./ordering/slo-deadline.ts";
import { priorityHoldback } from "./usage-limits/holdback.ts";
import { softReflectiveCeiling } from "./usage-limits/soft-reflective.ts";
import { staticUsageLimit } from "./usage-limits/static.ts";

/**
 * All admission plugins, in the order of docs/plugins.md. To add one, add a file, its test and a line here.
 */
export const admissionPlugins: readonly DataPlanePlugin[] = [
  utilizationDetector,
  concurrencyDetector,
  expectedWaitDetector,
  latencySloAdmitter,
  probabilisticAdmitter,
  globalStrictFairness,
  roundRobinFairness,
  programAwareFairness,
  virtualTokenCounterFairness,
  deficitRoundRobinFairness,
  fcfsOrdering,
  edfOrdering,
  sloDeadlineOrdering,
  responseRatioOrdering,
  boundedResponseRatioOrdering,
  staticUsageLimit,
  priorityHoldback,
  softReflectiveCeiling,
];
