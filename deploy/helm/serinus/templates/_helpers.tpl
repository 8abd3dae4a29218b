{{- define "serinus.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name }}{{ end }}
{{- end }}

{{- /* Labels of one component: (list root component). */ -}}
{{- define "serinus.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{- define "serinus.labels" -}}
{{- $root := first . -}}
{{ include "serinus.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{- define "serinus.redisSecret" -}}
{{- .Values.redis.existingSecret | default (printf "%s-redis" (include "serinus.name" .)) }}
{{- end }}

{{- /* The services that are on, as a list in JSON. */ -}}
{{- define "serinus.components" -}}
{{- $on := list "collector" "analyzer" "controller" }}
{{- range list "console" "notifier" }}
{{- if (index $.Values .).enabled }}{{ $on = append $on . }}{{ end }}
{{- end }}
{{- toJson $on }}
{{- end }}

{{- /* Those that ask the API server, and have a token for it, as a list in JSON. */ -}}
{{- define "serinus.askingTheCluster" -}}
{{- has .Values.console.auth (list "kubernetes" "proxy") | ternary (list "controller" "console") (list "controller") | toJson }}
{{- end }}

{{- /* What every service is: (list root component environment mounts volumes what-restarts-it). */ -}}
{{- define "serinus.deployment" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $own := index $root.Values $component -}}
{{- $name := printf "%s-%s" (include "serinus.name" $root) $component -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels: {{- include "serinus.labels" (list $root $component) | nindent 4 }}
spec:
  {{- if not (and (eq $component "analyzer") $root.Values.keda.enabled) }}
  replicas: {{ $own.replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "serinus.selector" (list $root $component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "serinus.labels" (list $root $component) | nindent 8 }}
        {{- with $own.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- $annotations := $own.podAnnotations }}
      {{- with index . 5 }}
      {{- $annotations = merge (dict "checksum/config" (sha256sum .)) $annotations }}
      {{- end }}
      {{- with $annotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: {{ has $component (include "serinus.askingTheCluster" $root | fromJsonArray) }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        fsGroup: 65532
        seccompProfile: {type: RuntimeDefault}
      terminationGracePeriodSeconds: 30
      containers:
      - name: {{ $component }}
        image: {{ printf "%sserinus-%s:%s" $root.Values.image.registry $component ($root.Values.image.tag | default $root.Chart.AppVersion) }}
        imagePullPolicy: {{ $root.Values.image.pullPolicy }}
        env:
        - name: SERINUS_REDIS_URL
          valueFrom: {secretKeyRef: {name: {{ include "serinus.redisSecret" $root }}, key: {{ $component }}}}
        - {name: SERINUS_REDIS_TAG, value: {{ $root.Values.redis.tag | quote }}}
        - {name: SERINUS_STREAM_MAXLEN, value: {{ $root.Values.redis.streamMaxlen | int | quote }}}
        {{- with index . 2 }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range $key, $value := $own.env }}
        {{- if kindIs "map" $value }}
        - {name: {{ $key }}, valueFrom: {{ toJson $value.valueFrom }}}
        {{- else }}
        - {name: {{ $key }}, value: {{ $value | quote }}}
        {{- end }}
        {{- end }}
        {{- with $own.envSecret }}
        envFrom:
        - secretRef: {name: {{ . }}}
        {{- end }}
        ports:
        - {name: http, containerPort: 8080}
        livenessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 10
          failureThreshold: 3
        readinessProbe:
          httpGet: {path: /readyz, port: http}
          periodSeconds: 5
        resources: {{- toYaml $own.resources | nindent 10 }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        {{- if or (index . 3) $root.Values.redis.tlsSecret $own.volumeMounts }}
        volumeMounts:
        {{- with index . 3 }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- if $root.Values.redis.tlsSecret }}
        - {name: redis-tls, mountPath: /etc/serinus/redis, readOnly: true}
        {{- end }}
        {{- with $own.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- end }}
      {{- if or (index . 4) $root.Values.redis.tlsSecret $own.volumes }}
      volumes:
      {{- with index . 4 }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- with $root.Values.redis.tlsSecret }}
      - {name: redis-tls, secret: {secretName: {{ . }}}}
      {{- end }}
      {{- with $own.volumes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- end }}
      # Rather not all on one node.
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: ScheduleAnyway
        labelSelector:
          matchLabels: {{- include "serinus.selector" (list $root $component) | nindent 12 }}
      {{- with $own.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}

{{- /* What the controller may do; a test holds it against what it did. */ -}}
{{- define "serinus.rules" }}
rules:
- {apiGroups: [argoproj.io], resources: [rollouts], verbs: [get, list, watch]}
- {apiGroups: [argoproj.io], resources: [rollouts/status], verbs: [patch]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create, get, patch]}
- {apiGroups: [serinus.dev], resources: [canarypolicies], verbs: [list, watch]}
- {apiGroups: [serinus.dev], resources: [canarypolicies/status], verbs: [patch]}
{{- end }}
