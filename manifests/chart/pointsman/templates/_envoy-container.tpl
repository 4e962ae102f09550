{{- define "pointsman.envoyContainer" -}}
{{- $proxy := .Values.router.proxy -}}
- name: envoy
  image: {{ $proxy.image }}
  imagePullPolicy: {{ $proxy.imagePullPolicy }}
  command: [envoy]
  args:
    - --config-path
    - /etc/envoy/envoy.yaml
    - --disable-hot-restart
    - --concurrency
    - {{ int $proxy.concurrency | quote }}
    - --log-level
    - warn
  ports:
    - {name: http, containerPort: {{ int $proxy.port }}}
    - {name: ready, containerPort: 19001}
  livenessProbe:
    tcpSocket: {port: ready}
    periodSeconds: 10
    failureThreshold: 6
  readinessProbe:
    httpGet: {port: ready, path: /ready}
    periodSeconds: 2
  # Envoy ends at once when told to. Meanwhile clients go elsewhere and streams finish.
  lifecycle:
    preStop:
      sleep: {seconds: 120}
  resources:
    {{- toYaml $proxy.resources | nindent 4 }}
  securityContext:
    runAsUser: 65532
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
  volumeMounts:
    - {name: envoy, mountPath: /etc/envoy, readOnly: true}
{{- end -}}
