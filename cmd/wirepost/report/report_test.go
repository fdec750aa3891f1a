package report

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

const hostile = `</script><script>alert(1)</script><!-- & "'`

func hostileReport() *Report {
	return &Report{
		Format: Format, Benchmark: "fanout", Started: time.Unix(0, 0), Flags: map[string]any{"channel": hostile},
		Machine: Machine{CPU: hostile}, Server: Server{URL: hostile}, Notes: []string{hostile}, Failures: []string{hostile},
		Results: Results{{"rate_per_s", hostile, 12.5, hostile}, {"unknown", "unknown", math.NaN(), ""}},
		Plots:   []Plot{{Name: "p", Title: hostile, At: Values{1, 2}, Lines: []Line{{hostile, Values{math.NaN(), math.Inf(1)}}}}},
	}
}

func TestHTMLEscapes(t *testing.T) {
	var b bytes.Buffer
	if err := hostileReport().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, "<script>alert") || strings.Contains(page, "<!--") {
		t.Error("text got out of its place")
	}
	if n := strings.Count(page, "<script>"); n != 3 || n != strings.Count(page, "</script>") {
		t.Errorf("%d scripts begin", n)
	}
}

// TestHTMLStandsAlone checks that a browser would fetch nothing.
func TestHTMLStandsAlone(t *testing.T) {
	var b bytes.Buffer
	if err := hostileReport().HTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if m := regexp.MustCompile(`(?i)(src|href|action|srcset)\s*=\s*["']?(https?:|//)|url\(|@import|<link[^>]+stylesheet`).FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
	// The library's license comment contains a URL, which is not a request.
	rest := strings.ReplaceAll(page, "https://github.com/leeoniya/uPlot", "")
	if at := strings.Index(rest, "https://"); at >= 0 {
		t.Errorf("the page names %.60q", rest[at:])
	}
	if !strings.Contains(page, "default-src 'none'") {
		t.Error("the page's policy allows the network")
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := hostileReport().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Results map[string]*float64
		Plots   []struct {
			At    []float64
			Lines []struct{ Values []*float64 }
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	if v := got.Results["rate_per_s"]; v == nil || *v != 12.5 {
		t.Errorf("results: %s", b.String())
	}
	if v, ok := got.Results["unknown"]; v != nil || !ok {
		t.Error("what is not known is not null")
	}
	for _, v := range got.Plots[0].Lines[0].Values {
		if v != nil {
			t.Errorf("a missing value is %g", *v)
		}
	}
}

func TestText(t *testing.T) {
	for _, tc := range []struct {
		value      float64
		unit, want string
	}{
		{0, "", "0 "},
		{1234567, "", "1 234 567 "},
		{-12345.6, "1/s", "-12 346 1/s"},
		{0.0123, "ms", "0.012 ms"},
		{0.5, "ms", "0.50 ms"},
		{12.345, "ms", "12.3 ms"},
		{123.45, "ms", "123 ms"},
		{190, "bytes", "190 bytes"},
		{4096, "bytes", "4 096 bytes"},
		{40960, "bytes", "40.0 KiB"},
		{3 << 20, "bytes", "3.00 MiB"},
		{math.NaN(), "ms", "unknown "},
	} {
		if v, u := (Measure{Value: tc.value, Unit: tc.unit}).Text(); v+" "+u != tc.want {
			t.Errorf("%g %s is %q %q, want %q", tc.value, tc.unit, v, u, tc.want)
		}
	}
}

func TestTable(t *testing.T) {
	r := &Report{
		Results: Results{{"a", "things", 3, ""}, {"b_ms", "time of things", 1.5, "ms"}},
		Notes:   []string{"so it was"}, Failures: []string{"it broke"}, Interrupted: true,
	}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"things ", "1.50 ms", "note: so it was\n", "failed: it broke\n", "interrupted"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}
