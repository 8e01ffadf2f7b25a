{{/* Labels by which a service's pods are found. Takes (dict "root" . "service" name). */}}
{{- define "postavka.selector" -}}
app.kubernetes.io/name: postavka
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "postavka.labels" -}}
{{ include "postavka.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Pages and documents have an image of their own, which can render. Takes (dict "root" . "service" name). */}}
{{- define "postavka.image" -}}
{{- $target := ternary "pages" "stages" (has .service (list "web" "papers")) -}}
{{- with .root.Values.image -}}
{{ .repository }}{{ with get .digests $target }}@{{ . }}{{ else }}:{{ .tag | default $.root.Chart.AppVersion }}-{{ $target }}{{ end }}
{{- end }}
{{- end }}

{{/* The names of services that run: all but the desk, unless it is wanted. */}}
{{- define "postavka.services" -}}
{{- $names := list -}}
{{- range .Files.Get "files/services.json" | fromJsonArray -}}
{{- if or (ne .name "desk") $.Values.desk.enabled -}}{{- $names = append $names .name -}}{{- end -}}
{{- end -}}
{{ $names | toJson }}
{{- end }}

{{/* Where operations ask services how they are. */}}
{{- define "postavka.serviceUrls" -}}
{{- $urls := dict -}}
{{- range include "postavka.services" . | fromJsonArray -}}
{{- $_ := set $urls . (printf "http://%s-%s-probes:9100" $.Release.Name .) -}}
{{- end -}}
{{ $urls | toJson }}
{{- end }}

{{/* Environment of one service. Takes (dict "root" . "service" name); no service: PostgreSQL alone is used. */}}
{{- define "postavka.env" -}}
{{- $values := .root.Values -}}
- {name: POSTAVKA_HOME, value: /var/lib/postavka}
- {name: POSTAVKA_LOG_FORMAT, value: json}
- {name: POSTAVKA_HTTP_HOST, value: 0.0.0.0}
- {name: CREDENTIALS_DIRECTORY, value: /run/secrets/postavka}
- {name: KAFKA_BOOTSTRAP_SERVERS, value: {{ $values.kafka.bootstrapServers | quote }}}
- {name: KAFKA_SECURITY_PROTOCOL, value: {{ $values.kafka.securityProtocol }}}
- {name: KAFKA_SASL_MECHANISM, value: {{ $values.kafka.saslMechanism }}}
- {name: POSTAVKA_KAFKA_REPLICATION, value: {{ $values.kafka.replication | quote }}}
{{- if $values.strimzi.enabled }}
- {name: POSTAVKA_KAFKA_STRIMZI_CLUSTER, value: {{ $values.strimzi.cluster }}}
{{- end }}
{{- if and $values.strimzi.enabled (not .service) }}
{{- else if $values.strimzi.enabled }}
- {name: KAFKA_SASL_USERNAME, value: postavka-{{ .service }}}
- {name: KAFKA_SASL_PASSWORD_FILE, value: /run/secrets/kafka/password}
{{- else }}
- {name: KAFKA_SASL_USERNAME, value: {{ $values.kafka.username | quote }}}
{{- end }}
{{- if $values.kafka.caSecret }}
- {name: KAFKA_SSL_CAFILE, value: /run/secrets/kafka-ca/ca.crt}
{{- end }}
- {name: POSTAVKA_SERVICE_URLS, value: {{ include "postavka.serviceUrls" .root | quote }}}
{{- range $name, $value := $values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "postavka.mounts" -}}
- {name: home, mountPath: /var/lib/postavka}
- {name: tmp, mountPath: /tmp}
- {name: secrets, mountPath: /run/secrets/postavka, readOnly: true}
{{- if and .root.Values.strimzi.enabled .service }}
- {name: kafka, mountPath: /run/secrets/kafka, readOnly: true}
{{- end }}
{{- if .root.Values.kafka.caSecret }}
- {name: kafka-ca, mountPath: /run/secrets/kafka-ca, readOnly: true}
{{- end }}
{{- end }}

{{/* `home` is a volume of its own where something must be kept: then not here. */}}
{{- define "postavka.volumes" -}}
{{- if not .kept }}
- {name: home, emptyDir: {}}
{{- end }}
- {name: tmp, emptyDir: {}}
- name: secrets
  secret: {secretName: {{ .root.Values.secretName }}, defaultMode: 0440}
{{- if and .root.Values.strimzi.enabled .service }}
- name: kafka
  secret: {secretName: postavka-{{ .service }}, defaultMode: 0440}
{{- end }}
{{- if .root.Values.kafka.caSecret }}
- name: kafka-ca
  secret: {secretName: {{ .root.Values.kafka.caSecret }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "postavka.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "postavka.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* A hung process is restarted; one that waits for Kafka or PostgreSQL is not: it says so on /readyz. The start may
     read a whole log. */}}
{{- define "postavka.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: probes}
  periodSeconds: 5
  failureThreshold: 120
livenessProbe:
  httpGet: {path: /livez, port: probes}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: probes}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "postavka.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "postavka.selector" (dict "root" $.root "service" $.service) | nindent 6 }}
{{- end }}
{{- end }}
