package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// profiling fetches a Go server's profiles during the measurement, for -profile. Its
// cost is included in the results, so do not use them in tables.
type profiling struct {
	dir string // "" does nothing

	mu    sync.Mutex
	taken map[string]int
}

// cpu profiles the next second of t. It returns immediately; call the result to
// wait.
func (p *profiling) cpu(t *target) (wait func()) {
	if p.dir == "" || t.Control == "" {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.fetch(t, "cpu", "profile?seconds=1")
	}()
	return func() { <-done }
}

// heap fetches a heap profile of t.
func (p *profiling) heap(t *target) {
	if p.dir != "" && t.Control != "" {
		p.fetch(t, "heap", "heap?gc=1")
	}
}

func (p *profiling) fetch(t *target, kind, path string) {
	if err := p.save(t, kind, path); err != nil {
		fmt.Fprintf(os.Stderr, "%s profile of %s: %s\n", kind, t.name, err)
	}
}

func (p *profiling) save(t *target, kind, path string) error {
	response, err := http.Get("http://" + t.Control + "/debug/pprof/" + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	f, err := os.Create(p.file(t.name, kind))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, response.Body)
	return err
}

// file numbers the profiles of one server.
func (p *profiling) file(name, kind string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		p.taken = map[string]int{}
	}
	p.taken[name+kind]++
	return filepath.Join(p.dir, fmt.Sprintf("%s.%s.%d.pprof", name, kind, p.taken[name+kind]))
}
