{{- /*
For other charts, which have this one as a dependency: an init container that waits until Dkron can be trusted, or applies the jobs.

  initContainers:
    - {{ include "dkron-jobs.initContainer" (dict "context" (index .Subcharts "dkron-jobs")) | nindent 6 | trim }}

  context    this chart's context, as above
  command    `wait` (default) or `apply`
  url        where Dkron is, when it is another release's

Its volumes are in `dkron-jobs.initVolumes`, which is empty where it needs none. The pod needs the labels of `dkron-jobs.clientLabels`, or the network policy keeps it from Dkron. In a release with `--wait`, wait for Dkron only: the hook comes after all is ready.
*/ -}}
{{- define "dkron-jobs.initContainer" -}}
{{- include "dkron-jobs.container" (include "dkron-jobs.initPod" . | fromJson | merge (dict "context" .context)) -}}
{{- end -}}

{{- define "dkron-jobs.initVolumes" -}}
{{- $volumes := include "dkron-jobs.volumes" (include "dkron-jobs.initPod" . | fromJson | merge (dict "context" .context)) | trim -}}
{{- with .context.Values.extraVolumes -}}
{{- $volumes = printf "%s\n%s" $volumes (toYaml .) | trim -}}
{{- end -}}
{{- $volumes -}}
{{- end -}}

{{- define "dkron-jobs.initPod" -}}
{{- $command := .command | default "wait" -}}
{{- if not (has $command (list "wait" "apply")) -}}
{{- fail (printf "\n\ndkron-jobs.initContainer: command is `%s`, and must be `wait` or `apply`\n" $command) -}}
{{- end -}}
{{- /* Secrets can be read by whoever the other chart's pod runs as, with or without its fsGroup. */ -}}
{{- $env := dict -}}
{{- with .url -}}
{{- $_ := set $env "DKRON_URL" . -}}
{{- end -}}
{{- toJson (dict "name" (printf "dkron-jobs-%s" $command) "command" $command "env" $env "templates" (eq $command "apply") "secretMode" "0444") -}}
{{- end -}}
