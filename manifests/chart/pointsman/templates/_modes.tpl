{{/* Where endpoints come from: pool, service or selector. */}}
{{- define "pointsman.mode" -}}
{{- $router := .Values.router -}}
{{- if or $router.inferencePool.create $router.inferencePool.name -}}
pool
{{- else if $router.modelServers.service.name -}}
service
{{- else -}}
selector
{{- end -}}
{{- end -}}

{{- define "pointsman.poolName" -}}
{{- .Values.router.inferencePool.name | default .Release.Name -}}
{{- end -}}

{{/* What objectives and rewrites of this picker refer to. */}}
{{- define "pointsman.poolRef" -}}
{{- if eq (include "pointsman.mode" .) "service" -}}
group: ""
kind: Service
name: {{ .Values.router.modelServers.service.name }}
{{- else -}}
group: inference.networking.k8s.io
kind: InferencePool
name: {{ ternary (include "pointsman.poolName" .) (include "pointsman.name" .) (eq (include "pointsman.mode" .) "pool") }}
{{- end -}}
{{- end -}}

{{/* "true" where one replica leads, else nothing. */}}
{{- define "pointsman.electsLeader" -}}
{{- $epp := .Values.router.epp -}}
{{- if hasKey $epp.flags "ha-enable-leader-election" -}}
{{- if eq (toString (index $epp.flags "ha-enable-leader-election")) "true" }}true{{ end -}}
{{- else if gt (int $epp.replicas) 1 -}}
true
{{- end -}}
{{- end -}}

{{/* "true" where the ext_proc port speaks TLS, else nothing. */}}
{{- define "pointsman.servesTls" -}}
{{- $flags := .Values.router.epp.flags -}}
{{- if ne (toString (dig "secure-serving" true $flags)) "false" }}true{{ end -}}
{{- end -}}

{{/* "true" where Envoy runs in the picker's pod, else nothing. */}}
{{- define "pointsman.hasSidecar" -}}
{{- if and .Values.router.proxy.enabled (eq .Values.router.proxy.mode "sidecar") }}true{{ end -}}
{{- end -}}

{{- define "pointsman.labelSelector" -}}
{{- $pairs := list -}}
{{- range $key, $value := .Values.router.modelServers.matchLabels -}}
{{- $pairs = append $pairs (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}

{{- define "pointsman.targetPorts" -}}
{{- $ports := list -}}
{{- range .Values.router.modelServers.targetPorts -}}
{{- $ports = append $ports (toString (int .number)) -}}
{{- end -}}
{{- join "," $ports -}}
{{- end -}}

{{- define "pointsman.args" -}}
{{- $epp := .Values.router.epp -}}
{{- if eq $epp.configSource "watched" }}
- --config-map=$(NAMESPACE)/{{ include "pointsman.name" . }}/{{ $epp.pluginsConfigFile }}
{{- else }}
- --config-file=/config/{{ $epp.pluginsConfigFile }}
{{- end }}
- --drain-timeout={{ $epp.drainTimeout }}
{{- if eq (include "pointsman.mode" .) "pool" }}
- --pool-name={{ include "pointsman.poolName" . }}
{{- else if eq (include "pointsman.mode" .) "service" }}
{{- $service := .Values.router.modelServers.service }}
- --service={{ $service.name }}{{ with $service.port }}:{{ . }}{{ end }}
{{- else }}
- --endpoint-selector={{ include "pointsman.labelSelector" . }}
- --endpoint-target-ports={{ include "pointsman.targetPorts" . }}
{{- end }}
{{- if ne (int $epp.grpcHealthPort) 9003 }}
- --grpc-health-port={{ int $epp.grpcHealthPort }}
{{- end }}
{{- if ne (int $epp.extProcPort) 9002 }}
- --grpc-port={{ int $epp.extProcPort }}
{{- end }}
{{- if ne (int $epp.metricsPort) 9090 }}
- --metrics-port={{ int $epp.metricsPort }}
{{- end }}
{{- if and (include "pointsman.electsLeader" .) (not (hasKey $epp.flags "ha-enable-leader-election")) }}
- --ha-enable-leader-election
{{- end }}
{{- if .Values.router.proxy.enabled }}
- --health-checking
{{- end }}
{{- if $epp.tls.secretName }}
- --cert-path=/certs
{{- end }}
{{- if not .Values.router.monitoring.prometheus.auth.enabled }}
- --metrics-endpoint-auth=false
{{- end }}
{{- range $name, $value := $epp.flags }}
- {{ printf "--%s=%v" $name $value | quote }}
{{- end }}
{{- end -}}
