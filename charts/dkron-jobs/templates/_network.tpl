{{- define "dkron-jobs.dnsPorts" -}}
- port: 53
  protocol: UDP
- port: 53
  protocol: TCP
{{- end -}}

{{- define "dkron-jobs.dkron.peerPorts" -}}
- port: 6868
  protocol: TCP
- port: 8946
  protocol: TCP
- port: 8946
  protocol: UDP
{{- end -}}
