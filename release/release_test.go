package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// program builds the program as the other tests have it compiled, without -trimpath, which
// would compile everything again. What is packed is tested here, not the compiler.
var program = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(temporary, "wirepost")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "./cmd/wirepost")
	cmd.Dir, cmd.Env, cmd.Stderr = "..", append(os.Environ(), "CGO_ENABLED=0"), os.Stderr
	return path, cmd.Run()
})

// temporary is the directory of the program and of what is published.
var temporary string

func TestMain(m *testing.M) {
	var err error
	if temporary, err = os.MkdirTemp("", "wirepost-release-test"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(temporary) //nolint:errcheck // it is temporary
	os.Exit(status)
}

// publish writes the files of a release for two platforms to a directory.
func publish(dir string) error {
	binary, err := program()
	if err != nil {
		return err
	}
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	r, err := describe(context.Background(), root, "")
	if err != nil {
		return err
	}
	r.version = "v1.2.3-rc.1"
	binaries := map[platform]string{{"linux", "amd64"}: binary, {"windows", "amd64"}: binary}
	return r.publish(context.Background(), binaries, binary, dir)
}

// published is a directory with such files.
var published = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp(temporary, "published"); err != nil {
		return "", err
	}
	return dir, publish(dir)
})

// debian returns the path of the package for Debian.
func debian(t *testing.T) string {
	t.Helper()
	dir, err := published()
	if err != nil {
		t.Fatal(err)
	}
	packages, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(packages) != 1 {
		t.Fatal(packages, err)
	}
	return packages[0]
}

// serving starts a server, and returns its URL and what stops it in order.
func serving(t *testing.T, cmd *exec.Cmd) (url string, stop func()) {
	t.Helper()
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait says how it ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(first), "listening ")
	if !ok {
		stop()
		t.Fatalf("the first line is %q (%v)", first, err)
	}
	return url, stop
}

// TestFiles checks which files there are, and that two runs write the same bytes.
func TestFiles(t *testing.T) {
	one, err := published()
	if err != nil {
		t.Fatal(err)
	}
	two := t.TempDir()
	if err := publish(two); err != nil {
		t.Fatal(err)
	}
	names := []string{
		"SHA256SUMS",
		"wirepost-1.2.3~rc.1-1.x86_64.rpm",
		"wirepost_1.2.3-rc.1_goproxy.zip",
		"wirepost_1.2.3-rc.1_linux_amd64.cdx.json", "wirepost_1.2.3-rc.1_linux_amd64.tar.gz",
		"wirepost_1.2.3-rc.1_windows_amd64.cdx.json", "wirepost_1.2.3-rc.1_windows_amd64.zip",
		"wirepost_1.2.3_rc1-r1_x86_64.apk", "wirepost_1.2.3~rc.1-1_amd64.deb",
	}
	entries, err := os.ReadDir(one)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(names) {
		t.Errorf("the files are %q, want %q", got, names)
	}
	for _, name := range names {
		a, err := os.ReadFile(filepath.Join(one, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(two, name)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two runs (%v)", name, err)
		}
	}
	if sum, err := exec.LookPath("sha256sum"); err == nil {
		cmd := exec.Command(sum, "--check", "--quiet", "SHA256SUMS")
		cmd.Dir = one
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// TestVersions checks which versions are accepted.
func TestVersions(t *testing.T) {
	for _, version := range []string{"0.1.0", "v1", "v1.2.3.4", "v1.2.3 ", "v1.2.3-"} {
		if _, err := describe(t.Context(), "..", version); err == nil {
			t.Errorf("%q is accepted", version)
		}
	}
	if _, err := parsePlatforms([]string{"linux/386"}); err == nil {
		t.Error("linux/386 is accepted")
	}
}
