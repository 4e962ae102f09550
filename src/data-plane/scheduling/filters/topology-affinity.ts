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
    description: "Required closeness: `host`, `rack`, `zone` or `region`.",
    tune: "Set it to the widest level over which your network moves a KV cache fast enough.",
  }),
  topologyProducerName: topologyProducerParam,
});

/** Keeps endpoints close to the one that an earlier profile chose for the same request. */
export const topologyAffinityFilter = filterPlugin({
  type: "topology-affinity-filter",
  summary:
    "Keeps endpoints that share the host, rack, zone or region (`minAffinity`, or closer) with the endpoint that the first profile chose for this request. Keeps all in the profile that runs first, and if no endpoint is close enough: closeness is a preference and never fails a request. Labels say where an endpoint runs, see `topology-extractor`.",
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
