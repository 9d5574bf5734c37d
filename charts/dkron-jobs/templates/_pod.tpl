{{- /*
The one pod of dkron-jobs, stated once: hook, Job, CronJobs, test and init container are made of it. What they say of themselves:
  context    the root context
  component  their name in labels
  command    the command of dkron-jobs
  args       more arguments
  env        variables before those of the values
  templates  whether they need templates, data and variables
  backups    whether they need the store of backups
  serviceAccount  another one than that of the values
  name       the container's name, if it is not `dkron-jobs`
  secretMode the mode of mounted Secrets, if it is not 0440
*/ -}}

{{- define "dkron-jobs.container" -}}
{{- $values := .context.Values -}}
name: {{ .name | default "dkron-jobs" }}
image: {{ include "dkron-jobs.image" (dict "image" $values.image "default" .context.Chart.AppVersion) }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args:
  {{- prepend (.args | default list) .command | toYaml | nindent 2 }}
env:
  {{- include "dkron-jobs.env" . | trim | nindent 2 }}
{{- $from := $values.extraEnvFrom }}
{{- if and .backups $values.backup.existingSecret }}
{{- $from = append $from (dict "secretRef" (dict "name" $values.backup.existingSecret)) }}
{{- end }}
{{- with $from }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "dkron-jobs.volumeMounts" . | trim }}
volumeMounts:
  {{- . | nindent 2 }}
{{- end }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml $values.securityContext | nindent 2 }}
{{- end -}}

{{- /* Metadata and spec of the pod. */ -}}
{{- define "dkron-jobs.pod" -}}
{{- $values := .context.Values -}}
metadata:
  labels:
    {{- $own := list (include "dkron-jobs.clientLabels" .context | fromYaml) (include "dkron-jobs.ownLabels" . | fromYaml) }}
    {{- include "dkron-jobs.oneMap" (concat (list $values.commonLabels $values.podLabels) $own) | nindent 4 }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "dkron-jobs.podSpec" . | nindent 2 }}
{{- end -}}

{{- define "dkron-jobs.podSpec" -}}
{{- $values := .context.Values -}}
restartPolicy: Never
serviceAccountName: {{ .serviceAccount | default (include "dkron-jobs.serviceAccount" .context) | quote }}
automountServiceAccountToken: false
# Kubernetes would put variables named after Services beside those of dkron-jobs.
enableServiceLinks: false
securityContext:
  {{- toYaml $values.podSecurityContext | nindent 2 }}
{{- with $values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - {{ include "dkron-jobs.container" . | nindent 4 | trim }}
{{- with concat (include "dkron-jobs.volumes" . | fromYamlArray) $values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" "priorityClassName" }}
{{- with index $values $key }}
{{ $key }}: {{- kindIs "string" . | ternary (printf " %s" (quote .)) (toYaml . | nindent 2) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /*
The spec of a Job of that pod, with `deadline` in seconds and `backoffLimit`. Exit codes that trying again cannot mend end it: 2 configuration or template, 4 timed out,
5 refused, 6 lint. A pod that its node lost does not count.
*/ -}}
{{- define "dkron-jobs.jobSpec" -}}
backoffLimit: {{ .backoffLimit }}
activeDeadlineSeconds: {{ .deadline }}
podFailurePolicy:
  rules:
    - action: FailJob
      onExitCodes:
        containerName: dkron-jobs
        operator: In
        values: [2, 4, 5, 6]
    - action: Ignore
      onPodConditions:
        - type: DisruptionTarget
template:
  {{- include "dkron-jobs.pod" . | nindent 2 }}
{{- end -}}
