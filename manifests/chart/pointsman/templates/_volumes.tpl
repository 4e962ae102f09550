{{- define "pointsman.mounts" -}}
{{- $epp := .Values.router.epp -}}
{{- $mounts := $epp.volumeMounts -}}
{{- if eq $epp.configSource "mounted" -}}
{{- $mounts = append $mounts (dict "name" "config" "mountPath" "/config" "readOnly" true) -}}
{{- end -}}
{{- if $epp.tls.secretName -}}
{{- $mounts = append $mounts (dict "name" "certs" "mountPath" "/certs" "readOnly" true) -}}
{{- end -}}
{{- toYaml $mounts -}}
{{- end -}}

{{- define "pointsman.volumes" -}}
{{- $epp := .Values.router.epp -}}
{{- $volumes := $epp.volumes -}}
{{- if eq $epp.configSource "mounted" -}}
{{- $volumes = append $volumes (dict "name" "config" "configMap" (dict "name" (include "pointsman.name" .))) -}}
{{- end -}}
{{- with $epp.tls.secretName -}}
{{- $volumes = append $volumes (dict "name" "certs" "secret" (dict "secretName" .)) -}}
{{- end -}}
{{- if include "pointsman.hasSidecar" . -}}
{{- $volumes = append $volumes (dict "name" "envoy" "configMap" (dict "name" (include "pointsman.proxyName" .))) -}}
{{- end -}}
{{- toYaml $volumes -}}
{{- end -}}
