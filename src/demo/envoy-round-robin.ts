import {
  circuitBreakers,
  type EnvoyBootstrap,
  type HostPort,
  lbEndpoint,
  localEnvoyConfigOf,
  socketAddress,
} from "./envoy-config.ts";

export interface TwoPools {
  readonly pointsman: { readonly listener: HostPort; readonly picker: HostPort };
  readonly roundRobin: { readonly listener: HostPort; readonly hosts: readonly HostPort[] };
}

const typeUrl = "type.googleapis.com/envoy.extensions";

/** One Envoy with a listener for each pool: it asks the picker for one, and picks by its own round robin for the other. */
export function twoPoolsEnvoyConfigOf({ pointsman, roundRobin }: TwoPools): EnvoyBootstrap {
  const { listeners, clusters } = localEnvoyConfigOf(
    pointsman.listener,
    pointsman.picker,
  ).static_resources;
  return {
    static_resources: {
      listeners: [...listeners, listenerOf(roundRobin.listener)],
      clusters: [...clusters, clusterOf(roundRobin.hosts)],
    },
  };
}

const cluster = "round-robin";

function listenerOf(listener: HostPort): object {
  const manager = {
    "@type": `${typeUrl}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: cluster,
    stream_idle_timeout: "0s",
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            { match: { prefix: "/" }, route: { cluster, timeout: "0s", idle_timeout: "900s" } },
          ],
        },
      ],
    },
    http_filters: [
      { name: "router", typed_config: { "@type": `${typeUrl}.filters.http.router.v3.Router` } },
    ],
  };
  return {
    name: cluster,
    address: socketAddress(listener),
    filter_chains: [{ filters: [{ name: "http", typed_config: manager }] }],
  };
}

/** With Envoy's default outlier detection, as the picker ejects endpoints too. */
function clusterOf(hosts: readonly HostPort[]): object {
  return {
    name: cluster,
    type: "STATIC",
    connect_timeout: "2s",
    lb_policy: "ROUND_ROBIN",
    circuit_breakers: circuitBreakers(),
    outlier_detection: {},
    load_assignment: {
      cluster_name: cluster,
      endpoints: [{ lb_endpoints: hosts.map(lbEndpoint) }],
    },
  };
}
