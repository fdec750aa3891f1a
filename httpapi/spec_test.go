package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// spec is openapi.json. It checks values against the part of JSON Schema that the document
// uses.
type spec struct{ doc map[string]any }

func loadSpec(t testing.TB) *spec {
	t.Helper()
	var s spec
	if err := json.Unmarshal(openAPIFile, &s.doc); err != nil {
		t.Fatal(err)
	}
	return &s
}

// at returns a part of the document, following references.
func (s *spec) at(v any, path ...string) any {
	for {
		m, _ := v.(map[string]any)
		if ref, ok := m["$ref"].(string); ok {
			v = s.at(s.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			continue
		}
		if len(path) == 0 || m == nil {
			return v
		}
		v, path = m[path[0]], path[1:]
	}
}

func (s *spec) object(v any, path ...string) map[string]any {
	m, _ := s.at(v, path...).(map[string]any)
	return m
}

// check returns an error that describes what is wrong with a value.
func (s *spec) check(schema, v any) error {
	m := s.object(schema)
	for _, keyword := range slices.Sorted(maps.Keys(m)) {
		rule, known := keywords[keyword]
		if !known {
			return fmt.Errorf("the schema has the keyword %q, which this test does not support", keyword)
		}
		if rule == nil {
			continue
		}
		if err := rule(s, m, v); err != nil {
			return err
		}
	}
	return nil
}

var keywords map[string]func(s *spec, m map[string]any, v any) error

func init() {
	length := func(v any) float64 {
		switch v := v.(type) {
		case string:
			return float64(utf8.RuneCountInString(v))
		case []any:
			return float64(len(v))
		case float64:
			return v
		}
		return math.NaN()
	}
	bound := func(keyword string, holds func(value, bound float64) bool) func(*spec, map[string]any, any) error {
		return func(_ *spec, m map[string]any, v any) error {
			if n := length(v); !math.IsNaN(n) && !holds(n, m[keyword].(float64)) {
				return fmt.Errorf("%v: %s is %v", v, keyword, m[keyword])
			}
			return nil
		}
	}
	least := func(v, b float64) bool { return v >= b }
	most := func(v, b float64) bool { return v <= b }
	keywords = map[string]func(*spec, map[string]any, any) error{
		"description": nil, "format": nil, "default": nil, "contentEncoding": nil,
		"type": checkType, "properties": checkProperties, "required": checkRequired,
		"additionalProperties": checkAdditional, "items": checkItems, "oneOf": checkOneOf,
		"minimum": bound("minimum", least), "maximum": bound("maximum", most),
		"minLength": bound("minLength", least), "maxLength": bound("maxLength", most),
		"minItems": bound("minItems", least), "maxItems": bound("maxItems", most),
		"exclusiveMinimum": bound("exclusiveMinimum", func(v, b float64) bool { return v > b }),
		"const": func(_ *spec, m map[string]any, v any) error {
			if !reflect.DeepEqual(m["const"], v) {
				return fmt.Errorf("%v is not %v", v, m["const"])
			}
			return nil
		},
		"enum": func(_ *spec, m map[string]any, v any) error {
			if !slices.Contains(m["enum"].([]any), v) {
				return fmt.Errorf("%v is none of %v", v, m["enum"])
			}
			return nil
		},
		"pattern": func(_ *spec, m map[string]any, v any) error {
			if str, ok := v.(string); ok && !regexp.MustCompile(m["pattern"].(string)).MatchString(str) {
				return fmt.Errorf("%q does not match %v", str, m["pattern"])
			}
			return nil
		},
	}
}

func checkType(_ *spec, m map[string]any, v any) error {
	got := "null"
	switch v := v.(type) {
	case string:
		got = "string"
	case bool:
		got = "boolean"
	case []any:
		got = "array"
	case map[string]any:
		got = "object"
	case float64:
		got = "number"
		if v == math.Trunc(v) && m["type"] == "integer" {
			got = "integer"
		}
	}
	if got != m["type"] {
		return fmt.Errorf("%v is of type %s, not %v", v, got, m["type"])
	}
	return nil
}

func checkProperties(s *spec, m map[string]any, v any) error {
	o, _ := v.(map[string]any)
	for name, value := range o {
		if schema, ok := m["properties"].(map[string]any)[name]; ok {
			if err := s.check(schema, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func checkRequired(_ *spec, m map[string]any, v any) error {
	o, _ := v.(map[string]any)
	for _, name := range m["required"].([]any) {
		if _, ok := o[name.(string)]; !ok && o != nil {
			return fmt.Errorf("%v is missing in %v", name, o)
		}
	}
	return nil
}

func checkAdditional(s *spec, m map[string]any, v any) error {
	o, _ := v.(map[string]any)
	declared, _ := m["properties"].(map[string]any)
	for name, value := range o {
		if _, ok := declared[name]; ok {
			continue
		}
		if m["additionalProperties"] == false {
			return fmt.Errorf("%s is not described", name)
		}
		if err := s.check(m["additionalProperties"], value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func checkItems(s *spec, m map[string]any, v any) error {
	list, _ := v.([]any)
	for i, item := range list {
		if err := s.check(m["items"], item); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

func checkOneOf(s *spec, m map[string]any, v any) error {
	var fits int
	var errs []error
	for _, schema := range m["oneOf"].([]any) {
		if err := s.check(schema, v); err == nil {
			fits++
		} else {
			errs = append(errs, err)
		}
	}
	if fits != 1 {
		return fmt.Errorf("%v fits %d of oneOf: %v", v, fits, errs)
	}
	return nil
}

// checkResponse checks a response against the description of its route.
func (s *spec) checkResponse(r *http.Request, status int, h http.Header, body []byte) error {
	schema := any(map[string]any{"$ref": "#/components/schemas/Problem"})
	contentType, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	rt := findRoute(&request{Request: r})
	if rt != nil && rt.method(r.Method) != nil {
		op := s.object(s.doc, "paths", strings.ReplaceAll(rt.path, "...}", "}"), strings.ToLower(rt.method(r.Method).name))
		responses := s.object(op, "responses")
		response, ok := responses[strconv.Itoa(status)]
		if !ok {
			response, ok = responses["default"]
		}
		if !ok {
			return fmt.Errorf("the status %d is not described", status)
		}
		content := s.object(response, "content")
		if len(content) == 0 && len(body) == 0 && status == http.StatusNoContent {
			return nil
		}
		media, ok := content[contentType]
		if !ok || err != nil {
			return fmt.Errorf("the type %q of a %d is not described", h.Get("Content-Type"), status)
		}
		schema = s.at(media, "schema")
	} else if contentType != "application/problem+json" {
		return fmt.Errorf("no route, and a %q", contentType)
	}
	return s.checkBody(schema, contentType, body, r.Method == http.MethodHead)
}

func (s *spec) checkBody(schema any, contentType string, body []byte, head bool) error {
	switch {
	case head && len(body) == 0:
		return nil
	case contentType == "text/plain" || contentType == "application/x-tar":
		return s.check(schema, string(body))
	case contentType != ndjsonType:
		body = bytes.ReplaceAll(body, []byte("\n"), nil)
	}
	for line := range bytes.Lines(body) {
		var v any
		if err := json.Unmarshal(line, &v); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		if err := s.check(schema, v); err != nil {
			return fmt.Errorf("%.300s: %w", line, err)
		}
	}
	return nil
}

// TestSpecHasTheRoutes: the routes and the description are the same.
func TestSpecHasTheRoutes(t *testing.T) {
	s := loadSpec(t)
	var have, described []string
	for _, rt := range routes {
		path := strings.ReplaceAll(rt.path, "...}", "}")
		for _, m := range rt.methods {
			params := slices.Sorted(slices.Values(m.params))
			if slices.Contains(params, "*") {
				params = nil
			}
			for _, name := range regexp.MustCompile(`\{(\w+)`).FindAllStringSubmatch(path, -1) {
				params = append(params, "/"+name[1])
			}
			have = append(have, fmt.Sprintf("%s %s %v public=%t", m.name, path, params, rt.public))
		}
	}
	for path, item := range s.object(s.doc, "paths") {
		shared, _ := s.at(item, "parameters").([]any)
		for method := range s.object(item) {
			if method == "parameters" {
				continue
			}
			op := s.object(item, method)
			own, _ := op["parameters"].([]any)
			var query, inPath []string
			for _, p := range slices.Concat(own, shared) {
				name := s.at(p, "name").(string)
				if s.at(p, "in") == "query" {
					query = append(query, name)
				} else {
					inPath = append(inPath, "/"+name)
				}
			}
			slices.Sort(query)
			slices.SortFunc(inPath, func(a, b string) int {
				return strings.Index(path, "{"+a[1:]) - strings.Index(path, "{"+b[1:])
			})
			security, ok := op["security"].([]any)
			described = append(described, fmt.Sprintf("%s %s %v public=%t",
				strings.ToUpper(method), path, slices.Concat(query, inPath), ok && len(security) == 0))
		}
	}
	slices.Sort(have)
	slices.Sort(described)
	if !slices.Equal(have, described) {
		t.Errorf("routes:\n%s\nopenapi.json:\n%s", strings.Join(have, "\n"), strings.Join(described, "\n"))
	}
}

// TestSpecExamples checks every example of the description against its schema.
func TestSpecExamples(t *testing.T) {
	s := loadSpec(t)
	n := 0
	var walk func(v any, where string)
	walk = func(v any, where string) {
		switch v := v.(type) {
		case []any:
			for i, item := range v {
				walk(item, where+"/"+strconv.Itoa(i))
			}
		case map[string]any:
			examples := []any{}
			if e, ok := v["example"]; ok {
				examples = append(examples, e)
			}
			for _, e := range s.object(v, "examples") {
				examples = append(examples, s.at(e, "value"))
			}
			for _, e := range examples {
				n++
				if err := s.check(v["schema"], e); err != nil {
					t.Errorf("%s: %v", where, err)
				}
			}
			if ref, ok := v["$ref"]; ok && s.at(v) == nil {
				t.Errorf("%s: nothing at %v", where, ref)
			}
			for name, member := range v {
				if name != "example" && name != "examples" {
					walk(member, where+"/"+name)
				}
			}
		}
	}
	walk(s.doc, "#")
	if n < 25 {
		t.Errorf("only %d examples were found", n)
	}
}
