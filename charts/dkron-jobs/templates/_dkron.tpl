{{- /*
Dkron's configuration file, for what is no option of `dkron agent`. Dkron 4 hears of a server that comes and goes, but lets it into the quorum only every 60 seconds
(`reconcileCh` of its source is never made): a leader that was stopped would be without a vote for a minute.
*/ -}}
{{- define "dkron-jobs.dkron.config" -}}
{{- $config := dict -}}
{{- if gt (int .Values.dkron.replicas) 1 -}}
{{- $_ := set $config "reconcileinterval" "5s" -}}
{{- end -}}
{{- with merge (dict) .Values.dkron.config $config -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- /* Not empty where Dkron is 4.0 or older, by its image's tag: such a server does not report a plugin that has exited. Any other tag counts as 4.1 or later. */ -}}
{{- define "dkron-jobs.dkron.isOld" -}}
{{- if regexMatch "^v?(3|4\\.0)([.-]|$)" .Values.dkron.image.tag -}}true{{- end -}}
{{- end -}}

{{- /* Dkron's container. The image is used by arguments only. */ -}}
{{- define "dkron-jobs.dkron.container" -}}
{{- $dkron := .Values.dkron -}}
{{- $several := gt (int $dkron.replicas) 1 -}}
name: dkron
image: {{ include "dkron-jobs.image" (dict "image" $dkron.image) }}
imagePullPolicy: {{ $dkron.image.pullPolicy }}
args:
  - agent
  - --server
  - --node-name=$(POD_NAME)
  # The address that is advertised is the pod's own. With a fixed one, a Service's, Dkron's leader does not know itself: it looks for its listener's
  # address among the members, and /v1/leader is a 500 there.
  - --bind-addr=$(POD_IP):8946
  - --rpc-port=6868
  - --http-addr=:8080
  - --data-dir=/data
  - --bootstrap-expect={{ $dkron.replicas }}
  {{- if $several }}
  # The two others, each by a Service of its own: with itself in the list, a server that starts first has joined somebody, and never tries again.
  - --retry-join=$(POD_NAME)-next.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:8946
  - --retry-join=$(POD_NAME)-previous.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:8946
  - --retry-interval=2s
  # A server that is gone is forgotten soon: its successor has its name and another address.
  - --serf-reconnect-timeout=5s
  {{- end }}
  - --log-level={{ $dkron.logLevel }}
  - --disable-usage-stats
  {{- with $dkron.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_IP
    valueFrom:
      fieldRef:
        fieldPath: status.podIP
  {{- with $dkron.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $dkron.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: http
    containerPort: 8080
  - name: rpc
    containerPort: 6868
  - name: serf-tcp
    containerPort: 8946
  - name: serf-udp
    containerPort: 8946
    protocol: UDP
# 200 only where there is a leader; /health is 200 without one.
readinessProbe:
  httpGet:
    path: /v1/leader
    port: http
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- if $several }}
# A server that the others took for an impostor stays up, empty and without a leader, for ever. Begun anew once they have forgotten its
# predecessor (half a minute), it is let in. Neither limit may be near the time of an election or of a first start.
startupProbe:
  httpGet:
    path: /v1/leader
    port: http
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 25
livenessProbe:
  httpGet:
    path: /v1/leader
    port: http
  periodSeconds: 5
  timeoutSeconds: 4
  failureThreshold: 8
{{- with $dkron.leaveCommand }}
lifecycle:
  preStop:
    exec:
      command:
        {{- toYaml . | nindent 8 }}
{{- end }}
{{- else }}
# One server is its own leader, or still reads its log: no reason to restart it. From Dkron 4.1 on /health is 503 when a plugin has exited, which only a
# restart heals; in 4.0 it is 200 as long as the process answers. The start asks for the port only: with /health, a plugin that exits early would keep
# the pod out of its Service for minutes, and with it the release that corrects the job.
startupProbe:
  tcpSocket:
    port: http
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 150
livenessProbe:
  httpGet:
    path: /health
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}
{{- with $dkron.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $dkron.securityContext | nindent 2 }}
volumeMounts:
  - name: data
    mountPath: /data
  - name: tmp
    mountPath: /tmp
  {{- if include "dkron-jobs.dkron.config" . }}
  - name: config
    mountPath: /etc/dkron
    readOnly: true
  {{- end }}
  {{- with $dkron.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
