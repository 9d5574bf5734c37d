{{- define "dkron-jobs.backup.env" -}}
{{- $env := dict "JOBS_BACKUP_COMPRESS" .Values.backup.compress -}}
{{- with .Values.backup.keep -}}
{{- $_ := set $env "JOBS_BACKUP_KEEP" (int . | toString) -}}
{{- end -}}
{{- with .Values.backup.keepDays -}}
{{- $_ := set $env "JOBS_BACKUP_KEEP_DAYS" (int . | toString) -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- /*
When the backup before is made. A rollback goes to a revision with this hook, whose volume was made with it at the latest, and stays. An upgrade may be the one that brings the
volume, and runs the hook before it is there: the pod would wait for it until the release fails. So the cluster is asked. Where there is none to ask (`helm template`), it says no.
*/ -}}
{{- define "dkron-jobs.backup.hooks" -}}
{{- $namespace := .Release.Namespace -}}
{{- $there := true -}}
{{- if and .Values.serviceAccount.create .Values.backup.store -}}
{{- $there = lookup "v1" "ServiceAccount" $namespace (include "dkron-jobs.serviceAccount" .) -}}
{{- end -}}
{{- if not .Values.backup.store -}}
{{- $there = and $there (lookup "v1" "PersistentVolumeClaim" $namespace (include "dkron-jobs.backup.claim" .)) -}}
{{- end -}}
{{- with .Values.backup.existingSecret -}}
{{- $there = and $there (lookup "v1" "Secret" $namespace .) -}}
{{- end -}}
{{- if eq .Values.backup.beforeUpgrade "never" -}}
{{- else if or $there (eq .Values.backup.beforeUpgrade "always") -}}
pre-upgrade,pre-rollback
{{- else -}}
pre-rollback
{{- end -}}
{{- end -}}
