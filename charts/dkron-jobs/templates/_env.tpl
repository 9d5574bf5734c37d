{{- /* What dkron-jobs is told: by environment, so that one place says it for every command. */ -}}

{{- /* A text that Kubernetes must not expand: `$(NAME)` stays what it is. */ -}}
{{- define "dkron-jobs.verbatim" -}}
{{- if kindIs "string" . }}{{ replace "$" "$$" . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- /* The folders of templates, in the order in which later ones replace earlier ones. */ -}}
{{- define "dkron-jobs.folders" -}}
{{- $folders := list -}}
{{- if .Values.bakedTemplates.enabled -}}
{{- $folders = append $folders "/jobs-templates" -}}
{{- end -}}
{{- range $at, $name := .Values.existingTemplates -}}
{{- $folders = append $folders (printf "/jobs/existing-%d" $at) -}}
{{- end -}}
{{- if .Values.jobsTemplates -}}
{{- $folders = append $folders "/jobs/values" -}}
{{- end -}}
{{- join "\n" $folders -}}
{{- end -}}

{{- /* All variables as JSON, name to text; `env` of the caller comes before those of the values, and a null in it takes one away. */ -}}
{{- define "dkron-jobs.settings" -}}
{{- $values := .context.Values -}}
{{- $env := dict
  "DKRON_URL" (include "dkron-jobs.url" .context)
  "DKRON_WAIT_TIMEOUT" (printf "%ds" (int $values.hook.waitTimeoutSeconds))
  "DKRON_REQUEST_TIMEOUT" (printf "%ds" (int $values.connection.requestTimeoutSeconds))
  "DKRON_CONCURRENCY" (int $values.connection.concurrency | toString)
  "JOBS_NAMESPACE" ($values.targetNamespace | default .context.Release.Namespace)
  "JOBS_RELEASE" .context.Release.Name
  "JOBS_CLUSTER_DOMAIN" $values.clusterDomain
  "JOBS_LOG_LEVEL" $values.logLevel
-}}
{{- range $key, $variable := dict "basic-auth" "BASIC_AUTH_FILE" "bearer-token" "BEARER_TOKEN_FILE" "ca.crt" "CA_FILE" "tls.crt" "CLIENT_CERT_FILE" "tls.key" "CLIENT_KEY_FILE" -}}
{{- if has $key $values.connection.keys -}}
{{- $_ := set $env (printf "DKRON_%s" $variable) (printf "/jobs/connection/%s" $key) -}}
{{- end -}}
{{- end -}}
{{- if .backups -}}
{{- $_ := set $env "JOBS_BACKUPS" ($values.backup.store | default "/backups") -}}
{{- $_ := set $env "JOBS_RESTORE" $values.policy.restore -}}
{{- end -}}
{{- if .templates -}}
{{- $_ := set $env "JOBS_TEMPLATES" (include "dkron-jobs.folders" .context) -}}
{{- $_ := set $env "JOBS_DRIFT" $values.policy.drift -}}
{{- $_ := set $env "JOBS_KEEP_DISABLED" (toString $values.policy.keepDisabled) -}}
{{- $_ := set $env "JOBS_PRUNE" (toString $values.policy.prune) -}}
{{- $_ := set $env "JOBS_ALLOW_DELETES" (int $values.policy.allowDeletes | toString) -}}
{{- $_ := set $env "JOBS_FORCE" (toString $values.policy.force) -}}
{{- with $values.policy.takeOwnership -}}
{{- $_ := set $env "JOBS_TAKE_OWNERSHIP" (toString .) -}}
{{- end -}}
{{- with $values.namePrefix -}}
{{- $_ := set $env "JOBS_NAME_PREFIX" (include "dkron-jobs.verbatim" .) -}}
{{- end -}}
{{- range $name, $value := $values.vars -}}
{{- $_ := set $env (printf "JOBS_VAR_%s" (upper $name)) (include "dkron-jobs.verbatim" $value) -}}
{{- end -}}
{{- if $values.secretVars -}}
{{- $_ := set $env "JOBS_VARS_DIR" "/jobs/secret-vars" -}}
{{- end -}}
{{- range $name, $rows := $values.data -}}
{{- $_ := set $env (printf "JOBS_DATA_%s" (upper $name)) (printf "/jobs/data/%s.json" $name) -}}
{{- end -}}
{{- range $at, $from := $values.existingData -}}
{{- $_ := set $env (printf "JOBS_DATA_%s" (upper $from.table)) (printf "/jobs/data-%d/%s" $at $from.key) -}}
{{- end -}}
{{- range $name, $url := $values.dataUrls -}}
{{- $_ := set $env (printf "JOBS_DATA_%s" (upper $name)) (include "dkron-jobs.verbatim" $url) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .env -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $env $name -}}
{{- else -}}
{{- $_ := set $env $name $value -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{- /* The same as a container's `env`. What `extraEnv` names is left to it. */ -}}
{{- define "dkron-jobs.env" -}}
{{- $env := include "dkron-jobs.settings" . | fromJson -}}
{{- $extra := .context.Values.extraEnv -}}
{{- range $extra -}}
{{- $_ := unset $env .name -}}
{{- end -}}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with $extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}
