package main

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// moduleProxy unpacks the module of a release, and returns the directory.
func moduleProxy(t *testing.T) string {
	t.Helper()
	dir, err := published()
	if err != nil {
		t.Fatal(err)
	}
	packed, err := zip.OpenReader(filepath.Join(dir, "wirepost_1.2.3-rc.1_goproxy.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // it is read only
	proxy := t.TempDir()
	if err := os.CopyFS(proxy, packed); err != nil {
		t.Fatal(err)
	}
	return proxy
}

// goCommand runs the go command as on a machine that has nothing of Wirepost: with module
// caches of its own, and the proxies.
func goCommand(t *testing.T, proxies string, args ...string) string {
	t.Helper()
	cache := t.TempDir()
	cmd := exec.Command("go", args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(
		os.Environ(), "GOPROXY="+proxies, "GOMODCACHE="+cache, "GOFLAGS=-modcacherw", "GOWORK=off", "CGO_ENABLED=0", "GOBIN="+cmd.Dir,
		// The database of checksums does not know this version. Those of what it needs were
		// compared with go.sum when they were downloaded.
		"GONOSUMDB="+modulePath, "GOSUMDB=off",
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return cmd.Dir
}

// TestModule downloads the module from the proxy: its parts fit together, and it has what
// the program embeds, and not the other modules of the repository.
func TestModule(t *testing.T) {
	proxy := moduleProxy(t)
	goCommand(t, "file://"+proxy, "mod", "download", modulePath+"@v1.2.3-rc.1")
	packed, err := zip.OpenReader(filepath.Join(proxy, modulePath, "@v", "v1.2.3-rc.1.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close() //nolint:errcheck // it is read only
	top := modulePath + "@v1.2.3-rc.1/"
	for name, want := range map[string]bool{
		"go.mod": true, "LICENSE": true, "server.go": true, "cmd/wirepost/main.go": true, "js/wirepost.js": true,
		"bench/go.mod": false, "release/module.go": false, "examples/README.md": false,
	} {
		f, err := packed.Open(top + name)
		if (err == nil) != want {
			t.Errorf("%s: %v, want it in the module: %t", name, err, want)
		}
		if err == nil {
			f.Close() //nolint:errcheck // it is read only
		}
	}
	mod, err := packed.Open(top + "go.mod")
	if err != nil {
		t.Fatal(err)
	}
	// The go command installs no program whose module replaces others.
	if text, err := io.ReadAll(mod); err != nil || strings.Contains(string(text), "\nreplace") || strings.Contains(string(text), "\nexclude") {
		t.Errorf("go.mod has replace or exclude (%v)", err)
	}
}

// TestGoInstall installs the program from the proxy, as a user does.
func TestGoInstall(t *testing.T) {
	if os.Getenv("GO_INSTALL") == "" {
		t.Skip("set GO_INSTALL=1, or use make test-install: it compiles everything again, which takes minutes")
	}
	downloads, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(strings.TrimSpace(string(downloads)), "cache/download")
	dir := goCommand(t, "file://"+moduleProxy(t)+",file://"+cache, "install", modulePath+"/cmd/wirepost@v1.2.3-rc.1")
	program := filepath.Join(dir, "wirepost")
	out, err := exec.Command(program, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "wirepost v1.2.3-rc.1 ") {
		t.Errorf("version: %v: %s", err, out)
	}
	url, stop := serving(t, exec.Command(program, "dev", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data")))
	defer stop()
	out, err = exec.Command(program, "push", "--server", url, "user:42", "hello").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "user:42 seq 1 ") {
		t.Errorf("push: %v: %s", err, out)
	}
}
