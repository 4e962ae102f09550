import type { DataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { agentIdentity } from "./agent-identity.ts";
import { approxPrefixCacheProducer } from "./approx-prefix-cache.ts";
import { conversationProducer } from "./conversation.ts";
import { inflightLoadProducer } from "./inflight-load.ts";
import { predictedLatencyProducer } from "./predicted-latency.ts";
import { sessionHomeProducer } from "./session-home.ts";
import { sessionIdProducer } from "./session-id.ts";
import { tokenProducer } from "./token.ts";
import { topologyExtractor } from "./topology.ts";

/**
 * All producers of data about requests, in the order of docs/plugins.md. To add one, add a file, its test and a line
 * here.
 */
export const producerPlugins: readonly DataPlanePlugin[] = [
  tokenProducer,
  approxPrefixCacheProducer,
  inflightLoadProducer,
  predictedLatencyProducer,
  sessionIdProducer,
  agentIdentity,
  conversationProducer,
  sessionHomeProducer,
  topologyExtractor,
];
