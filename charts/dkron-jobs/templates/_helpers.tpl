{{- /* Names, labels, images, and what is refused. */ -}}

{{- define "dkron-jobs.base" -}}
{{- .Values.fullnameOverride | default .Release.Name -}}
{{- end -}}

{{- /* A name that ends in `suffix` and has at most `max` characters (63 unless told). One that had to be cut carries a digest, so that no two releases meet. */ -}}
{{- define "dkron-jobs.name" -}}
{{- $base := include "dkron-jobs.base" .context -}}
{{- $max := .max | default 63 | int -}}
{{- $name := printf "%s-%s" $base .suffix -}}
{{- if gt (len $name) $max -}}
{{- $keep := sub $max (add (len .suffix) 7) | int -}}
{{- $name = printf "%s-%s-%s" (trunc $keep $base | trimSuffix "-") (sha256sum $base | trunc 5) .suffix -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{- define "dkron-jobs.dkron.service" -}}
{{- include "dkron-jobs.name" (dict "context" . "suffix" "dkron") -}}
{{- end -}}

{{- define "dkron-jobs.dkron.headless" -}}
{{- include "dkron-jobs.name" (dict "context" . "suffix" "dkron-headless") -}}
{{- end -}}

{{- /* Kubernetes adds eleven characters to a StatefulSet's name in a label. */ -}}
{{- define "dkron-jobs.dkron.statefulset" -}}
{{- include "dkron-jobs.name" (dict "context" . "suffix" "dkron" "max" 52) -}}
{{- end -}}

{{- define "dkron-jobs.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "dkron-jobs.name" (dict "context" . "suffix" "jobs")) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "dkron-jobs.backup.claim" -}}
{{- .Values.backup.persistence.existingClaim | default (include "dkron-jobs.name" (dict "context" . "suffix" "backups")) -}}
{{- end -}}

{{- /* Where Dkron is. Of several servers the headless Service names each, so that the leader is found, and is not met by chance. */ -}}
{{- define "dkron-jobs.url" -}}
{{- if .Values.dkron.enabled -}}
{{- $service := gt (int .Values.dkron.replicas) 1 | ternary "dkron-jobs.dkron.headless" "dkron-jobs.dkron.service" -}}
http://{{ include $service . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:8080
{{- else -}}
{{- .Values.dkron.url -}}
{{- end -}}
{{- end -}}

{{- define "dkron-jobs.selector" -}}
app.kubernetes.io/name: {{ .context.Chart.Name }}
app.kubernetes.io/instance: {{ .context.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "dkron-jobs.ownLabels" -}}
{{ include "dkron-jobs.selector" . }}
app.kubernetes.io/version: {{ .context.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .context.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .context.Chart.Name .context.Chart.Version | replace "+" "_" | trunc 63 }}
{{- end -}}

{{- /* Maps, given as a list, as one: no key stands in it twice, and the last map that has it says its value. */ -}}
{{- define "dkron-jobs.oneMap" -}}
{{- $all := dict -}}
{{- range . -}}
{{- range $key, $value := . -}}
{{- $_ := set $all $key $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "dkron-jobs.labels" -}}
{{- include "dkron-jobs.oneMap" (list .context.Values.commonLabels (include "dkron-jobs.ownLabels" . | fromYaml)) -}}
{{- end -}}

{{- /* Name, namespace, labels and annotations of an object: `suffix` or `name`, `component`, and `annotations` of its own. */ -}}
{{- define "dkron-jobs.metadata" -}}
name: {{ if .name }}{{ .name | quote }}{{ else }}{{ include "dkron-jobs.name" . }}{{ end }}
namespace: {{ .context.Release.Namespace | quote }}
labels:
  {{- include "dkron-jobs.labels" . | nindent 2 }}
{{- with merge (dict) (.annotations | default dict) .context.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The label by which the network policy lets a pod of this namespace reach Dkron. Other charts put it on their pods with an init container of this one. */ -}}
{{- define "dkron-jobs.clientLabels" -}}
dkron-jobs/client-of: {{ include "dkron-jobs.base" . | quote }}
{{- end -}}

{{- define "dkron-jobs.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .default }}
{{- end -}}
{{- end -}}

{{- /* What takes more than one value to be wrong; the schema says the rest. */ -}}
{{- define "dkron-jobs.validate" -}}
{{- $values := .Values -}}
{{- $wrong := list -}}
{{- if and (not $values.dkron.enabled) (not $values.dkron.url) -}}
{{- $wrong = append $wrong "dkron.enabled is false, and dkron.url does not say where the existing Dkron is: set dkron.url" -}}
{{- end -}}
{{- if and $values.dkron.enabled $values.dkron.url -}}
{{- $wrong = append $wrong "dkron.url is set, and dkron.enabled is true, which installs another Dkron: set dkron.enabled to false, or leave dkron.url empty" -}}
{{- end -}}
{{- if and $values.dkron.enabled (not $values.dkron.image.tag) (not $values.dkron.image.digest) -}}
{{- $wrong = append $wrong "dkron.image has neither a tag nor a digest: set one of them" -}}
{{- end -}}
{{- if ge (int $values.hook.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds) -}}
{{- $wrong = append $wrong (printf "hook.waitTimeoutSeconds (%d) must be less than hook.activeDeadlineSeconds (%d): the hook would be killed before it could say what it waited for" (int $values.hook.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds)) -}}
{{- end -}}
{{- if ge (int $values.hook.activeDeadlineSeconds) (int $values.hook.helmTimeoutSeconds) -}}
{{- $wrong = append $wrong (printf "hook.activeDeadlineSeconds (%d) must be less than hook.helmTimeoutSeconds (%d), which is `helm --timeout`: the release would stay pending" (int $values.hook.activeDeadlineSeconds) (int $values.hook.helmTimeoutSeconds)) -}}
{{- end -}}
{{- if ge (int $values.reconcile.waitTimeoutSeconds) (int $values.reconcile.activeDeadlineSeconds) -}}
{{- $wrong = append $wrong (printf "reconcile.waitTimeoutSeconds (%d) must be less than reconcile.activeDeadlineSeconds (%d)" (int $values.reconcile.waitTimeoutSeconds) (int $values.reconcile.activeDeadlineSeconds)) -}}
{{- end -}}
{{- if and $values.backup.enabled (ne $values.backup.beforeUpgrade "never") (ge (int $values.backup.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds)) -}}
{{- $wrong = append $wrong (printf "backup.waitTimeoutSeconds (%d) must be less than hook.activeDeadlineSeconds (%d): the backup before an upgrade would be killed, and the upgrade fail" (int $values.backup.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds)) -}}
{{- end -}}
{{- if and $values.onUninstall.destroy (ge (int $values.onUninstall.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds)) -}}
{{- $wrong = append $wrong (printf "onUninstall.waitTimeoutSeconds (%d) must be less than hook.activeDeadlineSeconds (%d): the Job would be killed before it could say what it waited for" (int $values.onUninstall.waitTimeoutSeconds) (int $values.hook.activeDeadlineSeconds)) -}}
{{- end -}}
{{- if not (or $values.bakedTemplates.enabled $values.jobsTemplates $values.existingTemplates) -}}
{{- $wrong = append $wrong "bakedTemplates.enabled is false, and there are no others: set jobsTemplates or existingTemplates" -}}
{{- end -}}
{{- if and $values.connection.keys (not $values.connection.existingSecret) -}}
{{- $wrong = append $wrong "connection.keys is set, and connection.existingSecret does not say of which Secret" -}}
{{- end -}}
{{- if and $values.backup.existingSecret (not $values.backup.store) -}}
{{- $wrong = append $wrong "backup.existingSecret is for an object store, and backup.store names none" -}}
{{- end -}}
{{- if and (eq $values.policy.restore "missing") (not $values.backup.enabled) -}}
{{- $wrong = append $wrong "policy.restore is missing, which brings jobs back from backups, and there are none: set backup.enabled" -}}
{{- end -}}
{{- if $wrong -}}
{{- fail (printf "\n\n%s\n" (join "\n" $wrong)) -}}
{{- end -}}
{{- end -}}
