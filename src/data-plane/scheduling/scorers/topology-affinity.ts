import { z } from "zod";
import { scorerPlugin } from "../../../core/data-plane-plugin.ts";
import {
  sharedLevelOf,
  topologyAffinity,
  type TopologyLevel,
  topologyNeeds,
  topologyProducerParam,
} from "../shared/topology.ts";

/**
 * Score of the closest shared level. The scores follow the bandwidth for transfers of a KV cache, so they are not
 * evenly spaced: GPUs of one host are linked directly, and each further level adds a network hop.
 */
const scoreOfLevel: Readonly<Record<TopologyLevel, number>> = {
  host: 1,
  rack: 0.2,
  zone: 0.05,
  region: 0.02,
};

/** Prefers endpoints close to the one that an earlier profile chose for the same request. */
export const topologyAffinityScorer = scorerPlugin({
  type: "topology-affinity-scorer",
  summary:
    "Prefers endpoints close to the one that the first profile chose for this request, such as prefill endpoints close to their decode endpoint: 1 on the same host, 0.2 in the same rack, 0.05 in the same zone, 0.02 in the same region, else 0. Labels say where an endpoint runs, see `topology-extractor`. In the profile that runs first, no endpoint is chosen yet, and all score 0.",
  params: z.strictObject({ topologyProducerName: topologyProducerParam }),
  needs: topologyNeeds,
  create: (params, deps) => {
    const { peerOf, labelsOf } = topologyAffinity(params, deps);
    return {
      score: (context, candidates, scores) => {
        const peer = peerOf(context);
        const labels = labelsOf(context);
        for (const [index, candidate] of candidates.entries()) {
          const level = peer && sharedLevelOf(labels, peer, candidate);
          scores[index] = level === undefined ? 0 : scoreOfLevel[level];
        }
      },
    };
  },
});
