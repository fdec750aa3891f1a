package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// platform is what a binary runs on.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "/" + p.arch }

var (
	allPlatforms = []platform{
		{"linux", "amd64"},
		{"linux", "arm64"},
		{"darwin", "amd64"},
		{"darwin", "arm64"},
		{"windows", "amd64"},
		{"windows", "arm64"},
	}
	hostPlatform = platform{runtime.GOOS, runtime.GOARCH}
)

func parsePlatforms(texts []string) (list []platform, err error) {
	for _, text := range texts {
		i := slices.IndexFunc(allPlatforms, func(p platform) bool { return p.String() == text })
		if i < 0 {
			return nil, fmt.Errorf("%q is not one of the platforms %v", text, allPlatforms)
		}
		list = append(list, allPlatforms[i])
	}
	return list, nil
}

// program is the name of the binary.
func (p platform) program() string {
	if p.os == "windows" {
		return "wirepost.exe"
	}
	return "wirepost"
}

// build compiles the program into a directory below dir. The binary has no path and no time
// of this machine in it. Git is not asked by the compiler, so that an exported tree gives
// the same binary.
func (r *release) build(ctx context.Context, p platform, dir string) (string, error) {
	path := filepath.Join(dir, p.os+"_"+p.arch, p.program())
	flags := fmt.Sprintf("-s -w -buildid= -X main.release=%s -X main.commit=%s", r.version, r.commit)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", path, "./cmd/wirepost")
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	cmd.Env = append(slices.DeleteFunc(os.Environ(), variesBuild),
		"GOOS="+p.os, "GOARCH="+p.arch, "CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=")
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build for %s: %w", p, err)
	}
	return path, nil
}

// variesBuild reports whether a variable would change what is built.
func variesBuild(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains([]string{"GOOS", "GOARCH", "CGO_ENABLED", "GOAMD64", "GOARM64", "GOFLAGS", "GOEXPERIMENT"}, name)
}
