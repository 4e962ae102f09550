{{- define "pointsman.validation" -}}
{{- $router := .Values.router -}}
{{- if and $router.inferencePool.create $router.inferencePool.name -}}
{{- fail "router.inferencePool.name is for a pool that is there already: set router.inferencePool.create to false" -}}
{{- end -}}
{{- if and (or $router.inferencePool.create (eq (include "pointsman.mode" .) "selector")) (empty $router.modelServers.matchLabels) -}}
{{- fail "router.modelServers.matchLabels is required: the labels of the engines' pods" -}}
{{- end -}}
{{- if and $router.inferencePool.create $router.modelServers.service.name -}}
{{- fail "router.modelServers.service.name and router.inferencePool.create exclude each other" -}}
{{- end -}}
{{- if and .Values.httpRoute.create (ne (include "pointsman.mode" .) "pool") -}}
{{- fail "httpRoute.create needs an InferencePool to lead to" -}}
{{- end -}}
{{- if and $router.proxy.enabled (empty $router.modelServers.matchLabels) -}}
{{- fail "router.proxy needs router.modelServers.matchLabels to find the engines' addresses" -}}
{{- end -}}
{{- if and $router.proxy.enabled (ne $router.proxy.proxyType "envoy") -}}
{{- fail "router.proxy.proxyType: this chart runs Envoy alone; agentgateway can be had as a Gateway (docs/install.md)" -}}
{{- end -}}
{{- $files := concat (list "default-plugins.yaml" "payload-agnostic.yaml") (keys $router.epp.pluginsCustomConfig) -}}
{{- if not (has $router.epp.pluginsConfigFile $files) -}}
{{- fail (printf "router.epp.pluginsConfigFile: there is no %q; there are %s" $router.epp.pluginsConfigFile (join ", " (sortAlpha $files))) -}}
{{- end -}}
{{- end -}}
