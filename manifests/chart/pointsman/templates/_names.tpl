{{- define "pointsman.base" -}}
{{- .Release.Name | lower | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Deployment, Service, ConfigMap, Role and account of the picker. */}}
{{- define "pointsman.name" -}}
{{- include "pointsman.base" . }}-epp
{{- end -}}

{{/* Objects without a namespace. */}}
{{- define "pointsman.clusterName" -}}
{{- printf "%s-%s-epp" (include "pointsman.base" .) .Release.Namespace | trunc 100 | trimSuffix "-" -}}
{{- end -}}

{{- define "pointsman.serviceAccount" -}}
{{- .Values.router.serviceAccount.name | default (include "pointsman.name" .) -}}
{{- end -}}

{{- define "pointsman.proxyName" -}}
{{- include "pointsman.base" . }}-proxy
{{- end -}}

{{- define "pointsman.metricsReader" -}}
{{- include "pointsman.name" . }}-metrics-reader
{{- end -}}

{{- define "pointsman.metricsSecret" -}}
{{- .Values.router.monitoring.prometheus.auth.secretName | default (include "pointsman.metricsReader" .) -}}
{{- end -}}

{{- define "pointsman.selector" -}}
app.kubernetes.io/name: pointsman
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: endpoint-picker
{{- end -}}

{{- define "pointsman.proxySelector" -}}
app.kubernetes.io/name: pointsman
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end -}}

{{- define "pointsman.labels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "pointsman.image" -}}
{{- $image := .Values.router.epp.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
