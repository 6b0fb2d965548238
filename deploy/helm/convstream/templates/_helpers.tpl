{{- define "convstream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "convstream.selector" -}}
app.kubernetes.io/name: convstream
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "convstream.labels" -}}
{{ include "convstream.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "convstream.metadata" -}}
name: {{ include "convstream.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "convstream.labels" . | nindent 2 }}
{{- end -}}

{{- define "convstream.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* The Secret of a folder: (dict "root" $ "name" NAME "from" what values say of it). */ -}}
{{- define "convstream.secretName" -}}
{{- get .from "existing" | default (printf "%s-%s" (include "convstream.fullname" .root) .name) -}}
{{- end -}}

{{- define "convstream.adminPort" -}}
{{- regexFind "[0-9]+$" (get .Values.settings "ADMIN_ADDR" | default ":8080") -}}
{{- end -}}

{{- /* Nine tenths of the memory limit, in whole MiB. */ -}}
{{- define "convstream.goMemLimit" -}}
{{- $limit := .Values.resources.limits.memory -}}
{{- $mebibytes := regexFind "^[0-9]+" $limit | int64 -}}
{{- if hasSuffix "Gi" $limit -}}{{- $mebibytes = mul $mebibytes 1024 -}}{{- end -}}
{{- div (mul $mebibytes 9) 10 -}}MiB
{{- end -}}

{{- /* The port of a base URL. */ -}}
{{- define "convstream.urlPort" -}}
{{- $url := urlParse . -}}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end -}}

{{- /* A rule of egress: (dict "to" peers "ports" numbers). */ -}}
{{- define "convstream.egress" -}}
- ports:
    {{- range .ports | uniq }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
  {{- with .to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* What values.schema.json cannot say, because it concerns several values. */ -}}
{{- define "convstream.validate" -}}
{{- $settings := .Values.settings -}}
{{- range list "KAFKA_BROKERS" "SMARTASSIST_URL" -}}
{{- if not (get $settings .) -}}
{{- fail (printf "settings.%s is not set, and is required" .) -}}
{{- end -}}
{{- end -}}
{{- if and (get $settings "SMARTASSIST_ACCOUNT_ID") (get $settings "ACCOUNTS_DIR") -}}
{{- fail "settings.SMARTASSIST_ACCOUNT_ID and settings.ACCOUNTS_DIR are both set: with ACCOUNTS_DIR the account id stands in the account's file" -}}
{{- end -}}
{{- if not (or (get $settings "SMARTASSIST_ACCOUNT_ID") (get $settings "ACCOUNTS_DIR")) -}}
{{- fail "settings.SMARTASSIST_ACCOUNT_ID is not set: set it for one account, or settings.ACCOUNTS_DIR for many" -}}
{{- end -}}
{{- range $name, $value := $settings -}}
{{- if and (or (hasSuffix "_FILE" $name) (eq $name "ACCOUNTS_DIR")) $value -}}
{{- $folder := regexReplaceAll "^/etc/convstream/([^/]+)(/.*)?$" $value "${1}" -}}
{{- if not (hasKey $.Values.secrets $folder) -}}
{{- fail (printf "settings.%s is %s, which lies in no folder that values make: name it in secrets; secrets.NAME becomes /etc/convstream/NAME" $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $timeout := (get $settings "SHUTDOWN_TIMEOUT") | default "20s" -}}
{{- $drain := regexFind "^[0-9]+s$" $timeout | trimSuffix "s" | int -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (add $drain 5 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and settings.SHUTDOWN_TIMEOUT %s: it must be five seconds more at least" (int .Values.terminationGracePeriodSeconds) $timeout) -}}
{{- end -}}
{{- end -}}
