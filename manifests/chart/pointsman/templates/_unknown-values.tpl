{{/*
Values that the chart does not know, a line each: their path and, for a misspelt one, the name that may be meant.
Takes values, known (known-values.json, or a part of it) and path, which ends with a dot or is empty.
*/}}
{{- define "pointsman.unknownValues" -}}
{{- $path := .path -}}
{{- $allKnown := .known -}}
{{- range $key, $value := .values -}}
{{- if not (hasKey $allKnown $key) -}}
{{- $meant := include "pointsman.closestKey" (dict "key" $key "keys" (keys $allKnown)) -}}
{{- printf "%s%s%s\n" $path $key (ternary "" (printf " (did you mean %s%s?)" $path $meant) (empty $meant)) -}}
{{- else -}}
{{- $known := index $allKnown $key -}}
{{- if kindIs "map" $known -}}
{{- if kindIs "map" $value -}}
{{- include "pointsman.unknownValues" (dict "values" $value "known" $known "path" (printf "%s%s." $path $key)) -}}
{{- else if kindIs "slice" $value -}}
{{- range $index, $item := $value -}}
{{- if kindIs "map" $item -}}
{{- include "pointsman.unknownValues" (dict "values" $item "known" $known "path" (printf "%s%s[%d]." $path $key $index)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The one of keys that key is a misspelling of; empty without one. */}}
{{- define "pointsman.closestKey" -}}
{{- $key := .key -}}
{{- $found := "" -}}
{{- range sortAlpha .keys -}}
{{- if and (not $found) (include "pointsman.isMisspelt" (dict "a" $key "b" .)) -}}{{- $found = . -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* Whether two names differ by case, dashes, the order of letters, or one letter that is missing or another. */}}
{{- define "pointsman.isMisspelt" -}}
{{- $a := .a | lower | replace "-" "" | replace "_" "" -}}
{{- $b := .b | lower | replace "-" "" | replace "_" "" -}}
{{- $long := $a -}}
{{- $short := $b -}}
{{- if lt (len $a) (len $b) -}}{{- $long = $b -}}{{- $short = $a -}}{{- end -}}
{{- if eq $a $b -}}true
{{- else if and (gt (len $short) 2) (eq (splitList "" $a | sortAlpha | join "") (splitList "" $b | sortAlpha | join "")) -}}true
{{- else if and (gt (len $short) 2) (le (sub (len $long) (len $short)) 1) -}}
{{- $isNear := false -}}
{{- range $at := until (len $long) -}}
{{- $rest := printf "%s%s" (substr 0 $at $long) (substr (int (add $at 1)) (len $long) $long) -}}
{{- $other := $short -}}
{{- if eq (len $long) (len $short) -}}
{{- $other = printf "%s%s" (substr 0 $at $short) (substr (int (add $at 1)) (len $short) $short) -}}
{{- end -}}
{{- if eq $rest $other -}}{{- $isNear = true -}}{{- end -}}
{{- end -}}
{{- if $isNear -}}true{{- end -}}
{{- end -}}
{{- end -}}
