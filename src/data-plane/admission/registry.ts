import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import { latencySloAdmitter } from "./admitters/latency-slo.ts";
import { probabilisticAdmitter } from "./admitters/probabilistic.ts";
import { concurrencyDetector } from "./detectors/concurrency.ts";
import { utilizationDetector } from "./detectors/utilization.ts";

/**
 * All admission plugins, in the order of docs/plugins.md. To add one, add a file, its test and a line here.
 */
export const admissionPlugins: readonly DataPlanePlugin[] = [
  utilizationDetector,
  concurrencyDetector,
  latencySloAdmitter,
  probabilisticAdmitter,
];
