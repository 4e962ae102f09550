import { z } from "zod";
import { filterPlugin } from "../../../core/data-plane-plugin.ts";
import {
  isWithin,
  sharedLevelOf,
  topologyAffinity,
  topologyLevels,
  topologyNeeds,
  topologyProducerParam,
} from "../shared/topology.ts";

const params = z.strictObject({
  minAffinity: z.enum(topologyLevels).default("host").meta({
    description: "How close an endpoint has to be: `host`, `rack`, `zone` or `region`.",
    tune: "The widest level over which your network still moves a KV cache fast enough.",
  }),
  topologyProducerName: topologyProducerParam,
});

/** Keeps endpoints close to the one that an earlier profile chose for the same request. */
export const topologyAffinityFilter = filterPlugin({
  type: "topology-affinity-filter",
  summary:
    "Keeps endpoints that share the host, rack, zone or region (`minAffinity`, or closer) with the one that the first profile chose for this request. Keeps everybody in the profile that runs first and where nobody is close enough: closeness is a wish and never makes a request fail. Places are told by labels, see `topology-extractor`.",
  params,
  needs: (given) => topologyNeeds(given),
  create: (given, deps) => {
    const { minAffinity } = given;
    const { peerOf, labelsOf } = topologyAffinity(given, deps);
    return {
      filter: (context, candidates) => {
        const peer = peerOf(context);
        if (peer === undefined) return candidates;
        const labels = labelsOf(context);
        const close = candidates.filter((candidate) =>
          isWithin(minAffinity, sharedLevelOf(labels, peer, candidate)),
        );
        return close.length === 0 ? candidates : close;
      },
    };
  },
});
