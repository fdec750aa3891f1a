package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// generated are files that the program prints itself.
type generated struct {
	page            []byte // the manual page
	bash, zsh, fish []byte // completions
}

// publish writes everything of the binaries to a directory. host is the binary that runs
// here.
func (r *release) publish(ctx context.Context, binaries map[platform]string, host, out string) error {
	g, err := r.generate(ctx, host)
	if err != nil {
		return err
	}
	for _, p := range allPlatforms {
		binary, ok := binaries[p]
		if !ok {
			continue
		}
		if err := r.archive(p, binary, g, out); err != nil {
			return fmt.Errorf("archive for %s: %w", p, err)
		}
		if err := r.bill(p, binary, out); err != nil {
			return fmt.Errorf("bill of materials for %s: %w", p, err)
		}
		if p.os == "linux" {
			if err := r.packages(p, binary, g, out); err != nil {
				return fmt.Errorf("packages for %s: %w", p, err)
			}
		}
	}
	if err := r.module(ctx, out); err != nil {
		return fmt.Errorf("module: %w", err)
	}
	return checksums(out)
}

// generate asks the program for its manual page and completions.
func (r *release) generate(ctx context.Context, host string) (*generated, error) {
	var failed error
	ask := func(args ...string) []byte {
		out, err := exec.CommandContext(ctx, host, args...).Output()
		if err != nil && failed == nil {
			failed = fmt.Errorf("wirepost %s: %w", args[0], err)
		}
		return out
	}
	g := &generated{
		page: ask("man", "--date", r.time.Format(time.DateOnly)),
		bash: ask("completion", "bash"), zsh: ask("completion", "zsh"), fish: ask("completion", "fish"),
	}
	return g, failed
}

// checksums writes SHA256SUMS of all files in a directory, in the format of sha256sum.
func checksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return bytes.Compare([]byte(a.Name()), []byte(b.Name())) })
	var list bytes.Buffer
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), list.Bytes(), 0o644)
}
