#!/usr/bin/env bash
# An AnalysisTemplate's condition that compares a list means the opposite after an upgrade from Argo Rollouts 1.9 to 1.10.
#
# Seen with github.com/argoproj/argo-rollouts v1.9.1 (github.com/antonmedv/expr v1.15.5) and v1.10.1
# (github.com/expr-lang/expr v1.17.7): for a measurement {"codes": [200, 503]}, as a web metric gives it,
#   result.codes == [200, 503]    1.9.1 false, 1.10.1 true
#   result.codes != [200, 503]    1.9.1 true,  1.10.1 false
# In 1.9.1 a list of the measurement never equals one that is written down, with no error: a failureCondition by != failed
# each measurement, a successCondition by != passed each. `len` of a text counts bytes in 1.9.1 and characters in 1.10.1,
# and 1 < result < 5 is an error in 1.9.1 only. In both, an object never equals one that is written down.
# Conditions of lists that hold in both: `in`, `all`, `any`, and one element at a time.
#
# Needs go 1.24 or newer. Installs the two versions in a temporary folder, asks their own utils/evaluate.EvalCondition, and
# fails if an answer is another.
set -euo pipefail
folder=$(mktemp -d); trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT

cat > "$folder/main.go" <<'GO'
package main

import (
	"encoding/json"
	"fmt"

	"github.com/argoproj/argo-rollouts/utils/evaluate"
)

func main() {
	for _, one := range [][2]string{
		{`{"codes": [200, 503]}`, `result.codes == [200, 503]`},
		{`{"codes": [200, 503]}`, `result.codes != [200, 503]`},
		{`{"codes": [200, 503]}`, `all(result.codes, # in [200, 503])`},
		{`{"codes": [200, 503]}`, `result.codes[0] == 200 && result.codes[1] == 503`},
		{`{"name": "caf\u00e9"}`, `len(result.name) == 4`},
		{`3`, `1 < result < 5`},
		{`{"a": 1}`, `result == {"a": 1}`},
	} {
		var result any
		if err := json.Unmarshal([]byte(one[0]), &result); err != nil {
			panic(err)
		}
		holds, err := evaluate.EvalCondition(result, one[1])
		answer := fmt.Sprint(holds)
		if err != nil {
			answer = "error"
		}
		fmt.Printf("%-50s %s\n", one[1], answer)
	}
}
GO

ask() { # VERSION: its answers
  mkdir "$folder/$1"; cp "$folder/main.go" "$folder/$1/"; cd "$folder/$1"
  printf 'module answers\n\ngo 1.24\n\nrequire github.com/argoproj/argo-rollouts %s\n' "$1" > go.mod
  go mod tidy 2> tidied || { cat tidied >&2; exit 1; }
  go run -mod=mod .
}

expected() { # the answers to the seven conditions
  paste -d' ' <(cut -c1-50 "$folder/conditions") <(printf '%s\n' "$@")
}

new=$(ask v1.10.1); old=$(ask v1.9.1)
printf 'v1.9.1\n%s\n\nv1.10.1\n%s\n' "$old" "$new"
printf '%s\n' "$new" > "$folder/conditions"
[ "$old" = "$(expected false true true true false error false)" ] || { echo "v1.9.1 answers otherwise"; exit 1; }
[ "$new" = "$(expected true false true true true true false)" ] || { echo "v1.10.1 answers otherwise"; exit 1; }
