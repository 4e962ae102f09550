import { z } from "zod";
import type { Endpoint } from "../../../core/endpoint.ts";
import type { PluginNeed } from "../../../core/plugin.ts";
import type { TopologyLabels } from "../../../core/topology.ts";
import type { PluginDeps, SchedulingContext } from "../../../core/data-plane-plugin.ts";

/** Levels at which two endpoints may share a place, closest first: each is within the next. */
export const topologyLevels = ["host", "rack", "zone", "region"] as const;

export type TopologyLevel = (typeof topologyLevels)[number];

/** The labels of Kubernetes nodes, which some clusters copy to pods. */
export const defaultTopologyLabels: TopologyLabels = {
  hostname: "kubernetes.io/hostname",
  rack: "topology.kubernetes.io/rack",
  zone: "topology.kubernetes.io/zone",
  region: "topology.kubernetes.io/region",
};

/** Parameter for the topology-extractor, for plugins that compare places. */
export const topologyProducerParam = z.string().optional().meta({
  description:
    "Name of the topology-extractor that names the labels; default the labels of Kubernetes nodes.",
});

/** Needs the extractor that the parameter names, or else the one of the default name if the document has it. */
export function topologyNeeds({
  topologyProducerName,
}: {
  readonly topologyProducerName?: string | undefined;
}): readonly PluginNeed[] {
  const producer = topologyProducerName || undefined;
  const path = ["topologyProducerName"];
  return [{ kind: "data", data: "topology", producer, path, isOptional: producer === undefined }];
}

/** Compares candidates with the endpoint that another profile chose for the same request. */
export interface TopologyAffinity {
  /** The first choice of the profile that ran first; undefined if none has run. */
  readonly peerOf: (context: SchedulingContext) => Endpoint | undefined;
  /** Names of the labels of places; the same for all candidates of a request. */
  readonly labelsOf: (context: SchedulingContext) => TopologyLabels;
}

export function topologyAffinity(
  { topologyProducerName }: { readonly topologyProducerName?: string | undefined },
  deps: PluginDeps,
): TopologyAffinity {
  const labels = deps.reader("topology", topologyProducerName);
  return {
    peerOf: ({ chosen }) => {
      for (const [first] of chosen.values()) return first;
      return undefined;
    },
    labelsOf: (context) => labels(context) ?? defaultTopologyLabels,
  };
}

/**
 * The closest level that both share; undefined if there is none. Two endpoints of the same address share a host; a
 * label that is missing on one of them is not shared.
 */
export function sharedLevelOf(
  labels: TopologyLabels,
  a: Endpoint,
  b: Endpoint,
): TopologyLevel | undefined {
  if (a.address === b.address || isShared(labels.hostname, a, b)) return "host";
  if (isShared(labels.rack, a, b)) return "rack";
  if (isShared(labels.zone, a, b)) return "zone";
  return isShared(labels.region, a, b) ? "region" : undefined;
}

/** True if two endpoints that share `level` are at least as close as `loosest`. */
export function isWithin(loosest: TopologyLevel, level: TopologyLevel | undefined): boolean {
  return level !== undefined && topologyLevels.indexOf(level) <= topologyLevels.indexOf(loosest);
}

function isShared(label: string, a: Endpoint, b: Endpoint): boolean {
  const value = a.labels[label] ?? "";
  return value !== "" && value === b.labels[label];
}
