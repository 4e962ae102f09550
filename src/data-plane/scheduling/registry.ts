import type { DataPlanePlugin } from "../../core/data-plane-plugin.ts";
import { destinationEndpointServedVerifier } from "./conformance/destination-endpoint-served.ts";
import { headerBasedTestingFilter } from "./conformance/header-based-testing.ts";
import { alwaysDisaggMultimodalDecider } from "./deciders/always-disagg-multimodal.ts";
import { alwaysDisaggPdDecider } from "./deciders/always-disagg-pd.ts";
import { prefixBasedPdDecider } from "./deciders/prefix-based-pd.ts";
import { byLabelFilter } from "./filters/by-label.ts";
import { decodeFilter } from "./filters/decode.ts";
import { encodeFilter } from "./filters/encode.ts";
import { endpointAttributeFilter } from "./filters/endpoint-attribute.ts";
import { labelSelectorFilter } from "./filters/label-selector.ts";
import { prefillFilter } from "./filters/prefill.ts";
import { prefixCacheAffinityFilter } from "./filters/prefix-cache-affinity.ts";
import { sessionAffinityFilter } from "./filters/session-affinity.ts";
import { sloHeadroomTierFilter } from "./filters/slo-headroom-tier.ts";
import { storedResponseFilter } from "./filters/stored-response.ts";
import { topologyAffinityFilter } from "./filters/topology-affinity.ts";
import { utilizationFilter } from "./filters/utilization.ts";
import { maxScorePicker } from "./pickers/max-score.ts";
import { randomPicker } from "./pickers/random.ts";
import { weightedRandomPicker } from "./pickers/weighted-random.ts";
import { dataParallelProfileHandler } from "./profiles/data-parallel.ts";
import { disaggHeadersHandler } from "./profiles/disagg-headers.ts";
import { disaggProfileHandler } from "./profiles/disagg.ts";
import { headerProfileHandler } from "./profiles/header.ts";
import { pdProfileHandler } from "./profiles/pd.ts";
import { singleProfileHandler } from "./profiles/single.ts";
import { requestAttributeReporter } from "./reporters/request-attribute.ts";
import { activeRequestScorer } from "./scorers/active-request.ts";
import { contextLengthAware } from "./scorers/context-length-aware.ts";
import { endpointAttributeScorer } from "./scorers/endpoint-attribute.ts";
import { expectedLatencyScorer } from "./scorers/expected-latency.ts";
import { headerLabelAffinityScorer } from "./scorers/header-label-affinity.ts";
import { kvCacheUtilizationScorer } from "./scorers/kv-cache-utilization.ts";
import { latencyScorer } from "./scorers/latency.ts";
import { loadAwareScorer } from "./scorers/load-aware.ts";
import { loraAffinityScorer } from "./scorers/lora-affinity.ts";
import { noHitLruScorer } from "./scorers/no-hit-lru.ts";
import { prefixCacheScorer } from "./scorers/prefix-cache.ts";
import { queueScorer } from "./scorers/queue.ts";
import { runningRequestsSizeScorer } from "./scorers/running-requests-size.ts";
import { sessionAffinityScorer } from "./scorers/session-affinity.ts";
import { tokenLoadScorer } from "./scorers/token-load.ts";
import { topologyAffinityScorer } from "./scorers/topology-affinity.ts";
import { enginePriorityWriter } from "./writers/engine-priority.ts";

/**
 * All scheduling plugins. To add one, add a file, its test and a line here, after those of its kind: docs/plugins.md
 * has the same order. Imports are in the order of their paths.
 */
export const schedulingPlugins: readonly DataPlanePlugin[] = [
  expectedLatencyScorer,
  queueScorer,
  kvCacheUtilizationScorer,
  runningRequestsSizeScorer,
  loraAffinityScorer,
  prefixCacheScorer,
  activeRequestScorer,
  loadAwareScorer,
  tokenLoadScorer,
  noHitLruScorer,
  contextLengthAware,
  sessionAffinityScorer,
  headerLabelAffinityScorer,
  endpointAttributeScorer,
  topologyAffinityScorer,
  latencyScorer,
  maxScorePicker,
  randomPicker,
  singleProfileHandler,
  decodeFilter,
  prefillFilter,
  encodeFilter,
  labelSelectorFilter,
  byLabelFilter,
  utilizationFilter,
  prefixCacheAffinityFilter,
  endpointAttributeFilter,
  sessionAffinityFilter,
  storedResponseFilter,
  topologyAffinityFilter,
  sloHeadroomTierFilter,
  weightedRandomPicker,
  disaggProfileHandler,
  pdProfileHandler,
  dataParallelProfileHandler,
  headerProfileHandler,
  disaggHeadersHandler,
  alwaysDisaggPdDecider,
  prefixBasedPdDecider,
  alwaysDisaggMultimodalDecider,
  requestAttributeReporter,
  enginePriorityWriter,
  headerBasedTestingFilter,
  destinationEndpointServedVerifier,
];

/** Types for tests only: with them, a client can choose its endpoint. */
export const testOnlyPlugins: ReadonlySet<string> = new Set([
  "header-based-testing-filter",
  "destination-endpoint-served-verifier",
]);
