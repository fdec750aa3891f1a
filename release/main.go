// Command release builds everything that is published of a version: binaries for each
// platform, archives, packages for Debian, Red Hat and Alpine, a software bill of
// materials for each binary, and checksums. It is a module of its own, so that Wirepost
// does not depend on what packages are made with.
//
// Two runs from the same commit with the same version of Go write the same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root := flag.String("root", "..", "directory of the repository")
	out := flag.String("out", "../dist", "directory for the results, which is replaced")
	version := flag.String("version", "", "version, such as v0.1.0 (default: the tag of the commit, or v0.0.0-dev)")
	only := flag.String("only", "", "platforms such as linux/amd64,darwin/arm64 (default: all)")
	flag.Parse()
	if err := run(ctx, *root, *out, *version, *only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, out, version, only string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	r, err := describe(ctx, root, version)
	if err != nil {
		return err
	}
	platforms := allPlatforms
	if only != "" {
		if platforms, err = parsePlatforms(strings.Split(only, ",")); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	build, err := os.MkdirTemp("", "wirepost-release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(build) //nolint:errcheck // it is temporary
	binaries := map[platform]string{}
	for _, p := range platforms {
		fmt.Println("building", p)
		if binaries[p], err = r.build(ctx, p, build); err != nil {
			return err
		}
	}
	host, ok := binaries[hostPlatform]
	if !ok {
		if host, err = r.build(ctx, hostPlatform, build); err != nil {
			return err
		}
	}
	return r.publish(ctx, binaries, host, out)
}
