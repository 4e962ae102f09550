import { maxScorePicker } from "./pickers/max-score.ts";
import { randomPicker } from "./pickers/random.ts";
import { singleProfileHandler } from "./profiles/single.ts";
import { activeRequestScorer } from "./scorers/active-request.ts";
import { kvCacheUtilizationScorer } from "./scorers/kv-cache-utilization.ts";
import { loraAffinityScorer } from "./scorers/lora-affinity.ts";
import { queueScorer } from "./scorers/queue.ts";
import { runningRequestsSizeScorer } from "./scorers/running-requests-size.ts";

/** Every scheduling plugin there is. A new one is a file, its test and a line here. */
export const schedulingPlugins = [
  queueScorer,
  kvCacheUtilizationScorer,
  runningRequestsSizeScorer,
  loraAffinityScorer,
  activeRequestScorer,
  maxScorePicker,
  randomPicker,
  singleProfileHandler,
] as const;
