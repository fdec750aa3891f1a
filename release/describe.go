package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is a version of the repository.
type release struct {
	root    string    // directory of the repository
	version string    // "v0.1.0"
	commit  string    // hash
	time    time.Time // of the commit: the time of all files
}

// devVersion is the version of a commit without a tag.
const devVersion = "v0.0.0-dev"

var isVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// describe returns the release that the repository is at. An empty version is the tag of
// the commit.
func describe(ctx context.Context, root, version string) (*release, error) {
	commit, err := git(ctx, root, "rev-parse", "HEAD")
	if err != nil {
		return nil, err
	}
	seconds, err := git(ctx, root, "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("time of the commit: %w", err)
	}
	if version == "" {
		if version, err = git(ctx, root, "describe", "--tags", "--exact-match", "--match", "v*"); err != nil {
			version = devVersion
		}
	}
	if !isVersion.MatchString(version) {
		return nil, fmt.Errorf("%q is not a version such as v0.1.0 or v0.1.0-rc.1", version)
	}
	if version != devVersion {
		changed, err := git(ctx, root, "status", "--porcelain")
		if err == nil && changed != "" {
			err = errors.New("there are changes that are not committed")
		}
		if err == nil {
			err = packaged(root, strings.TrimPrefix(version, "v"))
		}
		if err != nil {
			return nil, fmt.Errorf("release %s: %w", version, err)
		}
	}
	return &release{root: root, version: version, commit: commit, time: time.Unix(at, 0).UTC()}, nil
}

// packaged checks that the npm package has this version, as release/tag.sh leaves it.
func packaged(root, number string) error {
	const name = "js/package.json"
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return err
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(data, &manifest); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if manifest.Version != number {
		return fmt.Errorf("%s has the version %q: release/tag.sh makes versions", name, manifest.Version)
	}
	return nil
}

// number returns the version without its v.
func (r *release) number() string { return strings.TrimPrefix(r.version, "v") }

// git returns the output of a git command, without the space around it.
func git(ctx context.Context, root string, args ...string) (string, error) {
	out, err := gitBytes(ctx, root, args...)
	return strings.TrimSpace(string(out)), err
}

func gitBytes(ctx context.Context, root string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, e.Stderr)
	}
	return out, err
}
