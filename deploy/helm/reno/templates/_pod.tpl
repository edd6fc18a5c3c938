{{/* Names and labels. */}}
{{- define "reno.name" -}}
{{- printf "%s-%s" .root.Release.Name .role | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "reno.selector" -}}
app.kubernetes.io/name: reno
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "reno.match" -}}
{{- include "reno.selector" . | fromYaml | toJson -}}
{{- end -}}

{{- define "reno.labels" -}}
{{ include "reno.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "reno.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{/* A setting's variable: gateway.look_interval_s is RENO_GATEWAY__LOOK_INTERVAL_S. */}}
{{- define "reno.variable" -}}
{{- printf "RENO_%s" (. | replace "." "__" | upper) -}}
{{- end -}}

{{/* What all roles are told: settings, their own, and what the chart itself knows. */}}
{{- define "reno.settings" -}}
{{- $told := dict -}}
{{- range $lane, $has := .Values.processor.lanes -}}
{{- $_ := set $told (printf "lanes.%s.shards" $lane) ($has.shards | toString) -}}
{{- end -}}
{{- $presence := printf "%s-presence-headless" .Release.Name -}}
{{- $_ := set $told "presence.replicas" (list (printf "%s:7412" $presence) | toJson) -}}
{{- if .Values.envoy.enabled -}}
{{- $_ := set $told "gateway.transport" "h2" -}}
{{- $_ := set $told "ingestion.transport" "h2" -}}
{{- end -}}
{{- if .Values.telemetry.otlpEndpoint -}}
{{- $_ := set $told "telemetry.otlp_endpoint" (printf "http://%s" .Values.telemetry.otlpEndpoint) -}}
{{- end -}}
{{- if .Values.catalogue -}}
{{- $_ := set $told "catalogue" "/etc/reno/catalogue.toml" -}}
{{- end -}}
{{- $told = mergeOverwrite $told (deepCopy .Values.settings) -}}
{{- range $key, $value := $told }}
{{ include "reno.variable" $key }}: {{ $value | toString | quote }}
{{- end }}
{{- end -}}

{{/* A role's own variables. Of the secrets only those of its sections: the edge has no business with Cassandra's password. */}}
{{- define "reno.environment" -}}
{{- range $key, $value := .settings }}
- name: {{ include "reno.variable" $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- $sections := .sections | default list }}
{{- range $key, $from := .root.Values.secrets }}
{{- if has (first (splitList "." $key)) $sections }}
- name: {{ include "reno.variable" $key }}
  valueFrom: {secretKeyRef: {name: {{ $from.secret }}, key: {{ $from.key }}}}
{{- end }}
{{- end }}
{{- if and .natsUser .root.Values.natsUsers.enabled }}
- name: RENO_LOG__USER
  value: {{ .natsUser }}
- name: RENO_LOG__PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .root.Values.natsUsers.secret }}, key: {{ .natsUser }}}}
{{- end }}
{{- end -}}

{{/* Says when a container lives and when it can do its job, by gRPC health: port, service. */}}
{{- define "reno.probes" -}}
startupProbe:
  grpc: {port: {{ .port }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  grpc: {port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 3
readinessProbe:
  grpc: {port: {{ .port }}, service: {{ .service }}}
  {{- with .readyAfter }}
  initialDelaySeconds: {{ . }}
  {{- end }}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{/* A role's pod template: root, role, command, settings, sections of secrets, ports, port and service of its health, grace, resources;
     readyAfter and natsUser where it has them. */}}
{{- define "reno.pod" -}}
metadata:
  labels:
    {{- include "reno.labels" . | nindent 4 }}
    {{- with .labels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    # A changed setting is a new pod.
    checksum/settings: {{ printf "%s%s" (include "reno.settings" .root) .root.Values.catalogue | sha256sum }}
    {{- with .root.Values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  # The variables that Kubernetes makes of services (RENO_GATEWAY_SERVICE_HOST) would be refused as unknown settings.
  enableServiceLinks: false
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ add .root.Values.preStopSeconds .grace }}
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  topologySpreadConstraints:
    {{- range $apart := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ $apart }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector: {matchLabels: {{ include "reno.match" $ }}}
    {{- end }}
  containers:
    - name: reno
      image: {{ include "reno.image" .root }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      {{- with .entrypoint }}
      command: {{ toJson . }}
      {{- end }}
      {{- with .command }}
      args: {{ toJson . }}
      {{- end }}
      envFrom: [{configMapRef: {name: {{ .root.Release.Name }}-settings}}]
      env:
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: POD_IP
          valueFrom: {fieldRef: {fieldPath: status.podIP}}
        {{- include "reno.environment" . | nindent 8 }}
      ports:
        {{- range $name, $port := .ports }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- if .service }}
      {{- include "reno.probes" . | nindent 6 }}
      {{- end }}
      {{- with .probes }}{{ toYaml . | nindent 6 }}{{ end }}
      lifecycle:
        preStop: {{ .preStop | default (dict "sleep" (dict "seconds" .root.Values.preStopSeconds)) | toJson }}
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      resources: {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/reno}
        - {name: tmp, mountPath: /tmp}
        {{- if .root.Values.catalogue }}
        - {name: catalogue, mountPath: /etc/reno, readOnly: true}
        {{- end }}
  volumes:
    - {name: data, emptyDir: {}}
    - {name: tmp, emptyDir: {}}
    {{- if .root.Values.catalogue }}
    - {name: catalogue, configMap: {name: {{ .root.Release.Name }}-catalogue}}
    {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  # Kubernetes would wait five minutes before it puts a lost node's pods elsewhere. Too early is no harm: two owners of a shard write the same rows.
  tolerations:
    {{- range $lost := list "unreachable" "not-ready" }}
    - {key: node.kubernetes.io/{{ $lost }}, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $.root.Values.lostNodeSeconds }}}
    {{- end }}
    {{- with .root.Values.tolerations }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}
