import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import { latencySloAdmitter } from "./admitters/latency-slo.ts";
import { probabilisticAdmitter } from "./admitters/probabilistic.ts";
import { concurrencyDetector } from "./detectors/concurrency.ts";
import { utilizationDetector } from "./detectors/utilization.ts";

/**
 * Every plugin that says whether a request may run now, in the order of docs/plugins.md. A new one is a file, its test
 * and a line.
 */
export const admissionPlugins: readonly DataPlanePlugin[] = [
  utilizationDetector,
  concurrencyDetector,
  latencySloAdmitter,
  probabilisticAdmitter,
];
