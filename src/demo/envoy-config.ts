/** Way in which Envoy finds the endpoint that the picker chose. */
type RoutingWay =
  /** By the destination header: no host list, exactly one address. */
  | { readonly kind: "original-dst" }
  /** By dynamic metadata, among listed hosts; reports who served. */
  | { readonly kind: "override-host"; readonly hosts: readonly HostPort[] };

export interface HostPort {
  readonly address: string;
  readonly port: number;
}

/** Envoy's `BodySendMode`. */
type BodySendMode = "NONE" | "STREAMED" | "BUFFERED" | "BUFFERED_PARTIAL" | "FULL_DUPLEX_STREAMED";

export interface EnvoyConfigOptions {
  readonly listener: HostPort;
  /** Several pickers are health-checked and share the load. */
  readonly pickers: readonly HostPort[];
  readonly pickerTls: boolean;
  readonly routing: RoutingWay;
  readonly accessLogFile: string;
  readonly admin?: HostPort;
  /** Subset hint for every request, as a filter before the picker would give it. */
  readonly subset?: readonly string[] | string;
  readonly requestBodyMode?: BodySendMode;
  readonly responseBodyMode?: BodySendMode;
  readonly sendsBodyAtOnce?: boolean;
  /** Time that the picker may take for an answer. Default 300: requests may wait for their turn. */
  readonly messageTimeoutSeconds?: number;
  /** Time that the picker may ask for in its place. Default 0: none. */
  readonly maxMessageTimeoutSeconds?: number;
  /** Longest time for a whole response. Default 0: no limit, which would cut long streams. */
  readonly routeTimeoutSeconds?: number;
  /** Time of silence after which Envoy ends a request. Default 900: an answer without streaming is silent for long. */
  readonly idleTimeoutSeconds?: number;
  /** Further endpoints of a list to try where one fails before its answer. Default 0. */
  readonly retriesMax?: number;
}

const destination = "x-gateway-destination-endpoint";
const served = `${destination}-served`;
const typeUrl = "type.googleapis.com/envoy";

/**
 * More concurrent streams than any demo or test opens. Envoy's default of 1,024 for each cluster
 * turns the 1,025th stream into a 500.
 */
const concurrentMax = 100_000;

/** A bootstrap whose parts can be combined with those of another. */
export interface EnvoyBootstrap {
  readonly static_resources: {
    readonly listeners: readonly object[];
    readonly clusters: readonly object[];
  };
}

/** The bootstrap of an Envoy on this machine: one picker without TLS, its pick by the header, and no log. */
export function localEnvoyConfigOf(listener: HostPort, picker: HostPort): EnvoyBootstrap {
  return envoyConfigOf({
    listener,
    pickers: [picker],
    pickerTls: false,
    routing: { kind: "original-dst" },
    accessLogFile: "/dev/null",
  });
}

/**
 * A complete bootstrap for an Envoy in front of a picker: one listener, the ext_proc filter, and one
 * of the two ways to follow the pick.
 */
export function envoyConfigOf(options: EnvoyConfigOptions): EnvoyBootstrap {
  return {
    ...(options.admin === undefined ? {} : { admin: { address: socketAddress(options.admin) } }),
    static_resources: {
      listeners: [listenerOf(options)],
      clusters: [pickerCluster(options), modelCluster(options.routing)],
    },
  };
}

function listenerOf(options: EnvoyConfigOptions): object {
  return {
    name: "inference",
    address: socketAddress(options.listener),
    filter_chains: [{ filters: [{ name: "http", typed_config: connectionManager(options) }] }],
  };
}

function connectionManager(options: EnvoyConfigOptions): object {
  return {
    "@type": `${typeUrl}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "inference",
    stream_idle_timeout: "0s",
    // A realtime API speaks WebSocket.
    upgrade_configs: [{ upgrade_type: "websocket" }],
    generate_request_id: true,
    route_config: {
      virtual_hosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            {
              match: { prefix: "/" },
              route: {
                cluster: "models",
                timeout: `${options.routeTimeoutSeconds ?? 0}s`,
                idle_timeout: `${options.idleTimeoutSeconds ?? 900}s`,
                ...retriesOf(options),
              },
            },
          ],
        },
      ],
    },
    access_log: [accessLog(options.accessLogFile)],
    http_filters: [
      ...subsetFilter(options.subset),
      { name: "picker", typed_config: externalProcessor(options) },
      {
        name: "router",
        typed_config: { "@type": `${typeUrl}.extensions.filters.http.router.v3.Router` },
      },
    ],
  };
}

function retriesOf({ retriesMax = 0 }: EnvoyConfigOptions): object {
  if (retriesMax === 0) return {};
  return {
    retry_policy: { retry_on: "connect-failure,reset-before-request", num_retries: retriesMax },
  };
}

function accessLog(file: string): object {
  return {
    name: "file",
    typed_config: {
      "@type": `${typeUrl}.extensions.access_loggers.file.v3.FileAccessLog`,
      path: file,
      log_format: {
        json_format: {
          status: "%RESPONSE_CODE%",
          flags: "%RESPONSE_FLAGS%",
          upstream: "%UPSTREAM_HOST%",
          requestId: "%REQ(X-REQUEST-ID)%",
          picked: `%DYNAMIC_METADATA(envoy.lb:${destination})%`,
          details: "%RESPONSE_CODE_DETAILS%",
        },
      },
    },
  };
}

/** Gives the hint the way a gateway does: as metadata that is set before the picker is asked. */
function subsetFilter(subset: EnvoyConfigOptions["subset"]): object[] {
  if (subset === undefined) return [];
  return [
    {
      name: "subset",
      typed_config: {
        "@type": `${typeUrl}.extensions.filters.http.set_metadata.v3.Config`,
        metadata: [
          {
            metadata_namespace: "envoy.lb.subset_hint",
            value: { "x-gateway-destination-endpoint-subset": subset },
          },
        ],
      },
    },
  ];
}

function externalProcessor(options: EnvoyConfigOptions): object {
  return {
    "@type": `${typeUrl}.extensions.filters.http.ext_proc.v3.ExternalProcessor`,
    grpc_service: { envoy_grpc: { cluster_name: "picker" }, timeout: "10s" },
    message_timeout: `${options.messageTimeoutSeconds ?? 300}s`,
    ...(options.maxMessageTimeoutSeconds !== undefined && {
      max_message_timeout: `${options.maxMessageTimeoutSeconds}s`,
    }),
    failure_mode_allow: false,
    send_body_without_waiting_for_header_response: options.sendsBodyAtOnce ?? false,
    processing_mode: {
      request_header_mode: "SEND",
      response_header_mode: "SEND",
      request_body_mode: options.requestBodyMode ?? "FULL_DUPLEX_STREAMED",
      response_body_mode: options.responseBodyMode ?? "FULL_DUPLEX_STREAMED",
      request_trailer_mode: "SEND",
      response_trailer_mode: "SEND",
    },
    metadata_options: {
      // Forwarded: the subset hint and who served. Received: the pick.
      forwarding_namespaces: { untyped: ["envoy.lb", "envoy.lb.subset_hint"] },
      receiving_namespaces: { untyped: ["envoy.lb"] },
    },
  };
}

function pickerCluster({ pickers, pickerTls }: EnvoyConfigOptions): object {
  return {
    name: "picker",
    type: "STATIC",
    connect_timeout: "2s",
    lb_policy: "ROUND_ROBIN",
    circuit_breakers: circuitBreakers(),
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": `${typeUrl}.extensions.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: "picker",
      endpoints: [{ lb_endpoints: pickers.map(lbEndpoint) }],
    },
    ...(pickers.length > 1 ? { health_checks: [pickerHealthCheck()] } : {}),
    ...(pickerTls ? { transport_socket: unverifiedTls() } : {}),
  };
}

function pickerHealthCheck(): object {
  return {
    timeout: "1s",
    interval: "0.5s",
    no_traffic_interval: "0.5s",
    unhealthy_threshold: 1,
    healthy_threshold: 1,
    grpc_health_check: { service_name: "envoy.service.ext_proc.v3.ExternalProcessor" },
  };
}

/** Pickers serve a certificate of their own making, so gateways do not verify it. */
function unverifiedTls(): object {
  return {
    name: "tls",
    typed_config: {
      "@type": `${typeUrl}.extensions.transport_sockets.tls.v3.UpstreamTlsContext`,
      common_tls_context: { alpn_protocols: ["h2"], validation_context: {} },
    },
  };
}

function modelCluster(routing: RoutingWay): object {
  const base = {
    name: "models",
    connect_timeout: "2s",
    circuit_breakers: circuitBreakers(),
  };
  if (routing.kind === "original-dst") {
    return {
      ...base,
      type: "ORIGINAL_DST",
      lb_policy: "CLUSTER_PROVIDED",
      original_dst_lb_config: { use_http_header: true, http_header_name: destination },
    };
  }
  return {
    ...base,
    type: "STATIC",
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: "override_host",
            typed_config: {
              "@type": `${typeUrl}.extensions.load_balancing_policies.override_host.v3.OverrideHost`,
              override_host_sources: [
                { metadata: { key: "envoy.lb", path: [{ key: destination }] } },
              ],
              selected_host_key: { key: "envoy.lb", path: [{ key: served }] },
              fallback_policy: {
                policies: [
                  {
                    typed_extension_config: {
                      name: "round_robin",
                      typed_config: {
                        "@type": `${typeUrl}.extensions.load_balancing_policies.round_robin.v3.RoundRobin`,
                      },
                    },
                  },
                ],
              },
            },
          },
        },
      ],
    },
    load_assignment: {
      cluster_name: "models",
      endpoints: [{ lb_endpoints: routing.hosts.map(lbEndpoint) }],
    },
  };
}

export function circuitBreakers(): object {
  return {
    thresholds: [
      {
        max_connections: concurrentMax,
        max_pending_requests: concurrentMax,
        max_requests: concurrentMax,
        max_retries: concurrentMax,
      },
    ],
  };
}

export function lbEndpoint(host: HostPort): object {
  return { endpoint: { address: socketAddress(host) } };
}

export function socketAddress({ address, port }: HostPort): object {
  return { socket_address: { address, port_value: port } };
}
