import type { HostPort } from "../../../src/demo/envoy-config.ts";
import type { RoutedPool, RoutedRule } from "./routing.ts";

const typeUrl = "type.googleapis.com/envoy";
const destination = "x-gateway-destination-endpoint";
const pickerFilter = "picker";
const adminPort = 9_901;
/** The only port of the suite's Gateways. */
const listenerPort = 80;
const routesName = "routes";

/** Where Envoy reads what changes, in a folder that it watches. */
interface XdsFiles {
  readonly folder: string;
  readonly clusters: string;
  readonly routes: string;
}

/** What Envoy tells its kubelet once it takes requests. */
export const envoyReadiness = { httpGet: { path: "/ready", port: adminPort } };

/** A bootstrap for one Gateway: all addresses of its pod, with routes and clusters from files. */
export function bootstrapOf(name: string, files: XdsFiles): object {
  return {
    node: { id: name, cluster: "gateways" },
    admin: { address: socketAddress({ address: "0.0.0.0", port: adminPort }) },
    dynamic_resources: { cds_config: fileSource(files.folder, files.clusters) },
    static_resources: {
      listeners: [
        {
          name: "http",
          address: socketAddress({ address: "0.0.0.0", port: listenerPort }),
          filter_chains: [{ filters: [{ name: "http", typed_config: connectionManager(files) }] }],
        },
      ],
    },
  };
}

/** The two clusters of every pool: its endpoints, and its pickers. */
export function clustersOf(rules: readonly RoutedRule[]): object {
  const pools = rules.flatMap(({ answer }) =>
    answer.kind === "pools" ? answer.pools.map(({ pool }) => pool) : [],
  );
  const byName = new Map(pools.map((pool) => [pool.name, pool]));
  return {
    resources: [...byName.values()].flatMap((pool) => [endpointCluster(pool), pickerCluster(pool)]),
  };
}

/** A virtual host for every hostname; the longest path prefix goes first, all hostnames last. */
export function routesOf(rules: readonly RoutedRule[]): object {
  const longestFirst = rules.toSorted((a, b) => b.pathPrefix.length - a.pathPrefix.length);
  const of = (hostname: string) => longestFirst.filter((rule) => rule.hostname === hostname);
  const hosts = [...new Set(rules.map(({ hostname }) => hostname))].map((hostname) => ({
    name: hostname,
    domains: [hostname],
    routes: [...of(hostname), ...(hostname === "*" ? [] : of("*"))].map(routeOf),
  }));
  return {
    resources: [
      {
        "@type": `${typeUrl}.config.route.v3.RouteConfiguration`,
        name: routesName,
        virtual_hosts: hosts,
      },
    ],
  };
}

function connectionManager({ folder, routes }: XdsFiles): object {
  return {
    "@type": `${typeUrl}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "gateway",
    rds: { route_config_name: routesName, config_source: fileSource(folder, routes) },
    http_filters: [
      // Asked only where a route says whom.
      { name: pickerFilter, disabled: true, typed_config: externalProcessor() },
      {
        name: "router",
        typed_config: { "@type": `${typeUrl}.extensions.filters.http.router.v3.Router` },
      },
    ],
    access_log: [
      {
        name: "stdout",
        typed_config: {
          "@type": `${typeUrl}.extensions.access_loggers.stream.v3.StdoutAccessLog`,
          log_format: {
            text_format_source: {
              inline_string:
                "%REQ(:METHOD)% %REQ(:AUTHORITY)%%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST%\n",
            },
          },
        },
      },
    ],
  };
}

function externalProcessor(): object {
  return {
    "@type": `${typeUrl}.extensions.filters.http.ext_proc.v3.ExternalProcessor`,
    ...pickerCall("none"),
    message_timeout: "300s",
  };
}

/** What differs between pools, and the modes, which an override has to repeat. */
function pickerCall(cluster: string): object {
  return {
    grpc_service: { envoy_grpc: { cluster_name: cluster }, timeout: "10s" },
    processing_mode: {
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: "FULL_DUPLEX_STREAMED",
      response_body_mode: "FULL_DUPLEX_STREAMED",
      request_trailer_mode: "SEND",
      response_trailer_mode: "SEND",
    },
    metadata_options: {
      forwarding_namespaces: { untyped: ["envoy.lb"] },
      receiving_namespaces: { untyped: ["envoy.lb"] },
    },
  };
}

function routeOf({ pathPrefix, answer }: RoutedRule): object {
  const match =
    pathPrefix === "/" ? { prefix: "/" } : { path_separated_prefix: pathPrefix.replace(/\/$/, "") };
  if (answer.kind === "refuse") return { match, direct_response: { status: answer.status } };
  const clusters = answer.pools.map(({ pool, weight }) => ({
    name: endpointClusterName(pool),
    weight,
    typed_per_filter_config: {
      [pickerFilter]: {
        "@type": `${typeUrl}.extensions.filters.http.ext_proc.v3.ExtProcPerRoute`,
        overrides: {
          ...pickerCall(pickerClusterName(pool)),
          failure_mode_allow: pool.failsOpen,
        },
      },
    },
  }));
  return { match, route: { weighted_clusters: { clusters } } };
}

function endpointCluster(pool: RoutedPool): object {
  return {
    ...staticCluster(endpointClusterName(pool), pool.hosts),
    load_balancing_policy: {
      policies: [
        policy("override_host.v3.OverrideHost", {
          override_host_sources: [{ metadata: metadataKey(destination) }],
          selected_host_key: metadataKey(`${destination}-served`),
          fallback_policy: { policies: [policy("round_robin.v3.RoundRobin", {})] },
        }),
      ],
    },
    ...(pool.speaksH2c ? http2() : {}),
  };
}

function policy(type: string, config: object): object {
  return {
    typed_extension_config: {
      name: type,
      typed_config: {
        "@type": `${typeUrl}.extensions.load_balancing_policies.${type}`,
        ...config,
      },
    },
  };
}

function metadataKey(name: string): object {
  return { key: "envoy.lb", path: [{ key: name }] };
}

/** Pickers serve a certificate of their own making, so gateways do not verify it. */
function pickerCluster(pool: RoutedPool): object {
  return {
    ...staticCluster(pickerClusterName(pool), pool.pickers),
    ...http2(),
    transport_socket: {
      name: "tls",
      typed_config: {
        "@type": `${typeUrl}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
        common_tls_context: { alpn_protocols: ["h2"], validation_context: {} },
      },
    },
  };
}

function staticCluster(name: string, hosts: readonly HostPort[]): object {
  return {
    "@type": `${typeUrl}.config.cluster.v3.Cluster`,
    name,
    type: "STATIC",
    connect_timeout: "2s",
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: hosts.map((host) => ({ endpoint: { address: socketAddress(host) } })) },
      ],
    },
  };
}

function http2(): object {
  const name = `extensions.upstreams.http.v3.HttpProtocolOptions`;
  return {
    typed_extension_protocol_options: {
      [`envoy.${name}`]: {
        "@type": `${typeUrl}.${name}`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function endpointClusterName({ name }: RoutedPool): string {
  return `endpoints.${name}`;
}

/** As Istio names the cluster of a Service, which is the authority of calls where nothing else is said. */
function pickerClusterName({ name }: RoutedPool): string {
  return `outbound|9002||${name}`;
}

function fileSource(folder: string, file: string): object {
  return { path_config_source: { path: file, watched_directory: { path: folder } } };
}

function socketAddress({ address, port }: HostPort): object {
  return { socket_address: { address, port_value: port } };
}
