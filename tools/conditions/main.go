// Asks the evaluator of Argo Rollouts itself whether conditions hold, for the tests of Serinus' own.
//
//	go run . > ../../tests/unit/judging/argo_analysis/answers.json
//
// Each expression of cases.json, and some drawn ones, is asked of each result there. An answer is one letter a result:
// t(rue), f(alse) or e(rror). go.mod names the version of Argo Rollouts, and with it that of expr. Those of `beyond` are
// what Serinus refuses to read. It runs on amd64: what asInt makes of a number beyond 64 bits depends on the processor.
package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"

	"github.com/argoproj/argo-rollouts/utils/evaluate"
)

//go:embed cases.json
var written []byte

const (
	drawn = 500
	seed  = 18
)

// Result is one of: a vector or a scalar of Prometheus (numbers as text, since JSON has no NaN), or what JSON holds.
type Result struct {
	Vector *[]string       `json:"vector,omitempty"`
	Scalar *string         `json:"scalar,omitempty"`
	Json   json.RawMessage `json:"json,omitempty"`
}

func (result Result) value() any {
	if result.Vector != nil {
		values := make([]float64, 0, len(*result.Vector))
		for _, text := range *result.Vector {
			values = append(values, number(text))
		}
		return values
	}
	if result.Scalar != nil {
		return number(*result.Scalar)
	}
	var value any
	if err := json.Unmarshal(result.Json, &value); err != nil {
		panic(err)
	}
	return value
}

func number(text string) float64 {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return value
}

func answer(expression string, results []Result) string {
	letters := make([]string, 0, len(results))
	for _, result := range results {
		letters = append(letters, letter(expression, result.value()))
	}
	return strings.Join(letters, "")
}

func letter(expression string, value any) (found string) {
	defer func() {
		if recover() != nil {
			found = "e"
		}
	}()
	holds, err := evaluate.EvalCondition(value, expression)
	switch {
	case err != nil:
		return "e"
	case holds:
		return "t"
	default:
		return "f"
	}
}

type draw struct{ *rand.Rand }

func (d draw) one(of ...string) string { return of[d.Intn(len(of))] }

func (d draw) number(depth int) string {
	leaves := 12
	kinds := 18
	if depth == 0 {
		kinds = leaves
	}
	switch kind := d.Intn(kinds); {
	case kind < leaves:
		return d.one("result", "result[0]", "result[-1]", "result[1]", "result.a", "result['b']", "len(result)",
			"0", "1", "2.5", "2e300", ".5", "result.list[0]", "result.missing", "3", "-1")
	case kind < leaves+3:
		return fmt.Sprintf("%s %s %s", d.number(depth-1), d.one("+", "-", "*", "/", "%", "**"), d.number(depth-1))
	case kind == leaves+3:
		return fmt.Sprintf("(%s)", d.number(depth-1))
	case kind == leaves+4:
		return fmt.Sprintf("%s(%s)", d.one("-", "asFloat", "asInt", "+"), d.number(depth-1))
	default:
		return fmt.Sprintf("(%s %s %s)", d.one("result.a", "result.missing", "nil", "result"), "??", d.number(depth-1))
	}
}

func (d draw) bool(depth int) string {
	kinds := 12
	if depth == 0 {
		kinds = 5
	}
	switch kind := d.Intn(kinds); {
	case kind < 4:
		return fmt.Sprintf("%s %s %s", d.number(depth), d.one("<", ">", "<=", ">=", "==", "!="), d.number(depth))
	case kind == 4:
		return d.one("true", "false", "isNil(result)", "result.a == 'x'", "result['b'] != nil", "'a' in result",
			"result.text == \"hold\"", "1 in result", "result in [1, 2.5]", "result.text in ['hold', 'abort']")
	case kind < 8:
		return fmt.Sprintf("%s %s %s", d.bool(depth-1), d.one("&&", "||", "and", "or", "==", "!="), d.bool(depth-1))
	case kind == 8:
		return fmt.Sprintf("%s(%s)", d.one("isNaN", "isInf"), d.number(depth-1))
	case kind == 9:
		inner := strings.NewReplacer("result[0]", "#", "result.a", ".a").Replace(d.bool(depth - 1))
		return fmt.Sprintf("%s(%s, {%s})", d.one("all", "any"), d.one("result", "result.list", "[result]"), inner)
	case kind == 10:
		return fmt.Sprintf("%s(%s)", d.one("!", "not "), d.bool(depth-1))
	default:
		return fmt.Sprintf("(%s ? %s : %s)", d.bool(depth-1), d.bool(depth-1), d.bool(depth-1))
	}
}

func main() {
	var cases struct {
		Results     []Result `json:"results"`
		Expressions []string `json:"expressions"`
		Beyond      []string `json:"beyond"`
	}
	if err := json.Unmarshal(written, &cases); err != nil {
		panic(err)
	}
	cases.Expressions = append(cases.Expressions, cases.Beyond...)
	d := draw{rand.New(rand.NewSource(seed))}
	for range drawn {
		cases.Expressions = append(cases.Expressions, d.bool(3))
	}
	answers := map[string]string{}
	for _, expression := range cases.Expressions {
		answers[expression] = answer(expression, cases.Results)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", " ")
	out.SetEscapeHTML(false)
	if err := out.Encode(map[string]any{"results": cases.Results, "beyond": cases.Beyond, "answers": answers}); err != nil {
		panic(err)
	}
}
