import { z } from "zod";
import { dataPlanePlugin } from "../../../core/data-plane-plugin.ts";
import { defaultTopologyLabels } from "../shared/topology.ts";

const { hostname, rack, zone, region } = defaultTopologyLabels;

const params = z.strictObject({
  hostname: z.string().default(hostname).meta({ description: "Label with the endpoint's host." }),
  rack: z.string().default(rack).meta({ description: "Label with its rack." }),
  zone: z.string().default(zone).meta({ description: "Label with its zone." }),
  region: z.string().default(region).meta({ description: "Label with its region." }),
});

/** Provides the names of the labels that say where endpoints run; an empty name means the default. */
export const topologyExtractor = dataPlanePlugin({
  type: "topology-extractor",
  kinds: ["extractor"],
  produces: "topology",
  summary:
    "Names the labels with an endpoint's host, rack, zone and region, for `topology-affinity-scorer` and `topology-affinity-filter`. The defaults are the labels of Kubernetes nodes; pods have them only if something copies them. Endpoints with the same IP address share a host whatever their labels say. Needed only for other labels.",
  params,
  create: (given) => {
    const labels = {
      hostname: given.hostname || hostname,
      rack: given.rack || rack,
      zone: given.zone || zone,
      region: given.region || region,
    };
    return { producer: { produce: () => labels } };
  },
});
