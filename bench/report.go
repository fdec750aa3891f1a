package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// report is the result of a run.
type report struct {
	Machine string   `json:"machine"`
	Tables  []*table `json:"tables"`
}

// save writes the requested files; "" means none.
func (r *report) save(jsonFile, mdFile string) error {
	if jsonFile != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if mdFile == "" {
		return nil
	}
	text, err := os.ReadFile(mdFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text = place(text, "machine", r.Machine+"\n")
	for _, t := range r.Tables {
		text = place(text, t.Scenario, t.markdown())
	}
	return os.WriteFile(mdFile, text, 0o644)
}

// place inserts text between the marks of that name, or at the end if there are
// none, so that the text around the tables is preserved.
func place(document []byte, name, text string) []byte {
	begin, end := fmt.Sprintf("<!-- bench: %s -->\n", name), fmt.Sprintf("<!-- bench: end of %s -->\n", name)
	section := begin + text + end
	from := bytes.Index(document, []byte(begin))
	to := bytes.Index(document, []byte(end))
	if from < 0 || to < from {
		return append(document, "\n"+section...)
	}
	tail := document[to+len(end):]
	return append(append(append([]byte{}, document[:from]...), section...), tail...)
}

// machine describes when and where the run took place.
func machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // optional
	words := []string{
		time.Now().Format(time.DateOnly), cpuModel(), fmt.Sprintf("%d cores", runtime.NumCPU()),
		"Linux " + strings.TrimSpace(string(kernel)), runtime.Version(),
	}
	if version, err := exec.Command("node", "--version").Output(); err == nil {
		words = append(words, "Node "+strings.TrimSpace(string(version)))
	}
	return strings.Join(words, ", ")
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // optional
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
