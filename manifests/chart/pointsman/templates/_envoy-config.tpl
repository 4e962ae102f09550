{{- define "pointsman.envoyConfig" -}}
{{- $proxy := .Values.router.proxy -}}
{{- $sidecar := include "pointsman.hasSidecar" . -}}
# docs/behind-envoy.md says what each part is for.
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 19000}}
static_resources:
  listeners:
  - name: inference
    address: {socket_address: {address: 0.0.0.0, port_value: {{ int $proxy.port }}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: inference
          stream_idle_timeout: 0s
          generate_request_id: true
          use_remote_address: true
          preserve_external_request_id: true
          normalize_path: true
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                route: {cluster: models, timeout: {{ int $proxy.routeTimeoutSeconds }}s, idle_timeout: 900s}
          access_log:
          - name: stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format:
                json_format:
                  time: "%START_TIME%"
                  status: "%RESPONSE_CODE%"
                  flags: "%RESPONSE_FLAGS%"
                  details: "%RESPONSE_CODE_DETAILS%"
                  requestId: "%REQ(X-REQUEST-ID)%"
                  upstream: "%UPSTREAM_HOST%"
                  durationMs: "%DURATION%"
          http_filters:
          - name: picker
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor
              grpc_service: {envoy_grpc: {cluster_name: picker}, timeout: 10s}
              message_timeout: 300s
              failure_mode_allow: {{ $proxy.failOpen }}
              processing_mode:
                request_header_mode: SEND
                response_header_mode: SEND
                request_body_mode: FULL_DUPLEX_STREAMED
                response_body_mode: FULL_DUPLEX_STREAMED
                request_trailer_mode: SEND
                response_trailer_mode: SEND
              metadata_options:
                forwarding_namespaces: {untyped: [envoy.lb, envoy.lb.subset_hint]}
                receiving_namespaces: {untyped: [envoy.lb]}
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  - name: ready
    address: {socket_address: {address: 0.0.0.0, port_value: 19001}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ready
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {path: /ready}
                direct_response: {status: 200}
              - match: {path: /stats/prometheus}
                route: {cluster: admin}
          http_filters:
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: picker
    {{- if $sidecar }}
    type: STATIC
    {{- else }}
    type: STRICT_DNS
    dns_refresh_rate: 1s
    respect_dns_ttl: false
    # With no picker in health there is no use in asking one.
    common_lb_config: {healthy_panic_threshold: {value: 0}}
    {{- end }}
    connect_timeout: 2s
    lb_policy: ROUND_ROBIN
    circuit_breakers:
      thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, max_retries: 100000}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment:
      cluster_name: picker
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: {{ ternary "127.0.0.1" (printf "%s-pods" (include "pointsman.name" .)) (not (empty $sidecar)) }}, port_value: {{ int .Values.router.epp.extProcPort }}}}}
    {{- if not $sidecar }}
    health_checks:
    - timeout: 1s
      interval: 0.5s
      no_traffic_interval: 0.5s
      unhealthy_threshold: 1
      healthy_threshold: 1
      grpc_health_check: {service_name: envoy.service.ext_proc.v3.ExternalProcessor}
    {{- end }}
    {{- if include "pointsman.servesTls" . }}
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: {alpn_protocols: [h2], validation_context: {}}
    {{- end }}
  - name: models
    type: STRICT_DNS
    connect_timeout: 2s
    dns_refresh_rate: 1s
    respect_dns_ttl: false
    circuit_breakers:
      thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000, max_retries: 100000}]
    {{- if eq .Values.router.modelServers.protocol "grpc" }}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    {{- end }}
    load_balancing_policy:
      policies:
      - typed_extension_config:
          name: override_host
          typed_config:
            "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost
            override_host_sources:
            - metadata: {key: envoy.lb, path: [{key: x-gateway-destination-endpoint}]}
            selected_host_key: {key: envoy.lb, path: [{key: x-gateway-destination-endpoint-served}]}
            fallback_policy:
              policies:
              - typed_extension_config:
                  name: round_robin
                  typed_config:
                    "@type": type.googleapis.com/envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin
    load_assignment:
      cluster_name: models
      endpoints:
      - lb_endpoints:
        {{- range .Values.router.modelServers.targetPorts }}
        - endpoint: {address: {socket_address: {address: {{ include "pointsman.base" $ }}-model-servers, port_value: {{ int .number }}}}}
        {{- end }}
  - name: admin
    type: STATIC
    load_assignment:
      cluster_name: admin
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 19000}}}
{{- end -}}
