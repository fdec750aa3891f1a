package js_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wirepost/wirepost/internal/browser"
)

// The npm package as its users have it: packed, installed without the network in a directory
// of its own, compiled by TypeScript and run by Node.js. The programs are in testdata/package.

// installed is a directory with the programs and the installed package, and tools for the
// tests beside it, made once for all tests.
var installed = sync.OnceValues(func() (string, error) {
	if err := modules(); err != nil {
		return "", err
	}
	dir := filepath.Join(scratch, "package")
	if err := os.CopyFS(dir, os.DirFS("testdata/package")); err != nil {
		return "", err
	}
	tarball, err := output(".", "npm", "pack", "--silent", "--pack-destination", dir)
	if err != nil {
		return "", err
	}
	lines := strings.Fields(tarball)
	if _, err := output(dir, "npm", "install", "--offline", "--no-audit", "--no-fund", "./"+lines[len(lines)-1]); err != nil {
		return "", err
	}
	return dir, linkTools(dir)
})

// linkTools makes the packages that the tests need look installed beside this one.
func linkTools(dir string) error {
	tools, err := filepath.Glob("node_modules/[^.]*")
	if err != nil {
		return err
	}
	for _, tool := range tools {
		path, err := filepath.Abs(tool)
		if err != nil {
			return err
		}
		if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
			return err
		}
	}
	return nil
}

// modules installs what the tests need, unless `make js` has done that.
func modules() error {
	if _, err := os.Stat("node_modules/react-dom"); err == nil {
		return nil
	}
	_, err := output(".", "npm", "ci", "--no-audit", "--no-fund")
	return err
}

// output runs a program of Node.js in a directory, and returns what it prints.
func output(dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), browser.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, nodeProgram(name), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+newerNode()+string(os.PathListSeparator)+os.Getenv("PATH"))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, complaints.String())
	}
	return string(out), nil
}

// nodeProgram is the path of node or npm.
func nodeProgram(name string) string {
	if path, err := exec.LookPath(filepath.Join(newerNode(), name)); err == nil {
		return path
	}
	return name
}

// newerNode is where `make node` installs Node.js if that of the system is too old.
func newerNode() string {
	dir, err := filepath.Abs("../bin/node/node_modules/.bin")
	if err != nil {
		panic(err) // there is no working directory
	}
	return dir
}

// compiled compiles the programs, which also checks their types as users do.
var compiled = sync.OnceValues(func() (string, error) {
	dir, err := installed()
	if err != nil {
		return "", err
	}
	_, err = tsc(dir, "tsconfig.json")
	return dir, err
})

func tsc(dir, config string) (string, error) {
	return output(dir, "node", "node_modules/typescript/bin/tsc", "--project", config)
}

// program returns the directory of the compiled programs.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it packs and installs the package")
	}
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestPackageIsSmall limits the entry points of the package that servers do not serve. Those
// of CommonJS are not minified, so that traces of Node.js can be read.
func TestPackageIsSmall(t *testing.T) {
	dir := filepath.Join(program(t), "node_modules/wirepost")
	for name, limit := range map[string]int{"react.js": 2560, "cjs/wirepost.js": 30 << 10, "cjs/more.js": 10 << 10, "cjs/persist.js": 10 << 10, "cjs/react.js": 4 << 10} {
		checkSize(t, filepath.Join(dir, name), limit)
	}
}

// TestPackageForBundlers checks types as bundlers resolve them; Node.js's way is checked by
// compiling the programs of the other tests.
func TestPackageForBundlers(t *testing.T) {
	if _, err := tsc(program(t), "tsconfig.bundler.json"); err != nil {
		t.Error(err)
	}
}

// TestPackageInNode runs a program with import and one with require, with the WebSocket of
// Node.js and with that of the package ws.
func TestPackageInNode(t *testing.T) {
	dir := program(t)
	s := serve(t, "dev")
	s.mustPushNotes("user:42", "hello")
	for _, name := range []string{"imports.mjs", "requires.cjs"} {
		for socket, flag := range map[string]string{"ws": "--no-experimental-websocket", "global": "--experimental-websocket"} {
			t.Run(name+" "+socket, func(t *testing.T) {
				got, err := output(dir, "node", flag, "--disable-warning=ExperimentalWarning", name, s.url("/ws?user=42"), socket)
				if err != nil {
					t.Fatal(err)
				}
				want := "hello\n42 from Node.js false websocket\nforbidden true\n"
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("printed (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// TestPackageWithoutWebSocket: no fallback hides that a WebSocket is missing.
func TestPackageWithoutWebSocket(t *testing.T) {
	dir := program(t)
	for _, name := range []string{"imports.mjs", "requires.cjs"} {
		_, err := output(dir, "node", "--no-experimental-websocket", name, "ws://127.0.0.1:1/ws")
		if err == nil || !strings.Contains(err.Error(), `no WebSocket: use Node.js 22, or the option WebSocket with that of the package ws`) {
			t.Errorf("%s: %v", name, err)
		} else if n := len(err.Error()); n > 4<<10 {
			t.Errorf("%s: Node.js prints the line that throws: %d bytes", name, n)
		}
	}
}

// TestReactNative runs the build for React Native with only what React Native has.
func TestReactNative(t *testing.T) {
	dir := program(t)
	s := serve(t, "dev")
	s.mustPushNotes("user:42", "hello")
	got, err := output(dir, "node", "--conditions=react-native", "native.cjs", s.url("/ws?user=42"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("hello\n1\nopen again\ntrue\n", got); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

// TestReactOnServer renders components where there is neither a page nor a WebSocket.
func TestReactOnServer(t *testing.T) {
	got, err := output(program(t), "node", "--no-experimental-websocket", "render.js")
	if err != nil {
		t.Fatal(err)
	}
	want := "<p>undefined connecting 0 0 false 0 undefined</p>\nwirepost: there is no <WirepostProvider> above this component\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}
