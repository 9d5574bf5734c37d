{{- /* Volumes of the chart's own are named after where they are mounted: `jobs-data` at /jobs/data. */ -}}
{{- define "dkron-jobs.volumeMounts" -}}
{{- range include "dkron-jobs.volumes" . | fromYamlArray }}
{{- if eq .name "jobs-backups" }}
- name: jobs-backups
  mountPath: /backups
{{- else }}
- name: {{ .name }}
  mountPath: /jobs/{{ trimPrefix "jobs-" .name }}
  readOnly: true
{{- end }}
{{- end }}
{{- with .context.Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "dkron-jobs.volumes" -}}
{{- $context := .context -}}
{{- $values := .context.Values -}}
{{- $mode := .secretMode | default "0440" -}}
{{- if .templates }}
{{- range $at, $name := $values.existingTemplates }}
- name: jobs-existing-{{ $at }}
  configMap:
    name: {{ $name | quote }}
{{- end }}
{{- if $values.jobsTemplates }}
- name: jobs-values
  configMap:
    name: {{ include "dkron-jobs.name" (dict "context" $context "suffix" "templates") }}
    # By name: what a release that failed has left in it is not in the way of the next.
    items:
      {{- range $name, $text := $values.jobsTemplates }}
      - key: {{ $name }}
        path: {{ $name }}
      {{- end }}
{{- end }}
{{- if $values.data }}
- name: jobs-data
  configMap:
    name: {{ include "dkron-jobs.name" (dict "context" $context "suffix" "data") }}
{{- end }}
{{- range $at, $from := $values.existingData }}
- name: jobs-data-{{ $at }}
  configMap:
    name: {{ $from.configMap | quote }}
    items:
      - key: {{ $from.key | quote }}
        path: {{ $from.key | quote }}
{{- end }}
{{- with $values.secretVars }}
- name: jobs-secret-vars
  projected:
    defaultMode: {{ $mode }}
    sources:
      {{- range . }}
      - secret:
          {{- toYaml . | nindent 10 }}
      {{- end }}
{{- end }}
{{- end }}
{{- with $values.connection.existingSecret }}
- name: jobs-connection
  secret:
    secretName: {{ . | quote }}
    defaultMode: {{ $mode }}
{{- end }}
{{- if and .backups (not $values.backup.store) }}
- name: jobs-backups
  persistentVolumeClaim:
    claimName: {{ include "dkron-jobs.backup.claim" $context | quote }}
{{- end }}
{{- end -}}
