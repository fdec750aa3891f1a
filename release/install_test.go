package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestDebian installs the package in an empty root directory as dpkg does without chroot,
// starts what the unit starts, pushes, and removes and purges the package.
func TestDebian(t *testing.T) {
	for _, tool := range []string{"dpkg", "useradd", "userdel"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	root := &emptyRoot{t: t, dir: t.TempDir()}
	root.make()
	root.dpkg("--install", debian(t))
	for path, mode := range map[string]os.FileMode{
		"usr/bin/wirepost": 0o755, "etc/wirepost/wirepost.yaml": 0o640, "etc/wirepost/secrets.env": 0o600,
		"etc/wirepost": 0o750, "var/lib/wirepost": 0o750, "usr/lib/systemd/system/wirepost.service": 0o644,
		"usr/share/man/man1/wirepost.1.gz": 0o644, "usr/share/bash-completion/completions/wirepost": 0o644,
		"usr/share/zsh/vendor-completions/_wirepost": 0o644, "usr/share/fish/vendor_completions.d/wirepost.fish": 0o644,
		"usr/share/doc/wirepost/copyright": 0o644,
	} {
		info, err := os.Stat(root.at(path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info, err, mode)
		}
	}
	secrets := root.read("etc/wirepost/secrets.env")
	if !regexp.MustCompile(`(?m)^WIREPOST_API_KEY=[0-9a-f]{64}\nWIREPOST_TOKEN_SECRET=[0-9a-f]{64}$`).MatchString(secrets) {
		t.Errorf("the secrets are %q", secrets)
	}
	id := root.user()
	for path, want := range map[string]uint32{"var/lib/wirepost": id, "etc/wirepost": 0} {
		info, err := os.Stat(root.at(path))
		if err != nil {
			t.Fatal(err)
		}
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != want || id == 0 {
			t.Errorf("%s belongs to user %d, want %d", path, owner, want)
		}
	}
	root.serve()

	// An upgrade keeps what the operator has changed.
	root.write("etc/wirepost/wirepost.yaml", root.read("etc/wirepost/wirepost.yaml")+"window: 99\n")
	root.dpkg("--install", debian(t))
	if got := root.read("etc/wirepost/secrets.env"); got != secrets {
		t.Error("the upgrade replaced the secrets")
	}
	if !strings.Contains(root.read("etc/wirepost/wirepost.yaml"), "window: 99") {
		t.Error("the upgrade replaced the settings")
	}

	root.dpkg("--remove", "wirepost")
	root.gone("usr/bin/wirepost", "usr/lib/systemd/system/wirepost.service")
	if root.read("etc/wirepost/secrets.env") != secrets || root.read("var/lib/wirepost/data/WIREPOST") == "" {
		t.Error("the removal took secrets or data")
	}
	root.dpkg("--purge", "wirepost")
	root.gone("etc/wirepost", "var/lib/wirepost")
	if strings.Contains(root.read("etc/passwd"), "wirepost") {
		t.Error("the user is left")
	}
}

// emptyRoot is a root directory with nothing but what dpkg needs.
type emptyRoot struct {
	t   *testing.T
	dir string
}

func (r *emptyRoot) at(path string) string { return filepath.Join(r.dir, path) }

func (r *emptyRoot) make() {
	for _, dir := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"} {
		if err := os.MkdirAll(r.at(dir), 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, name := range []string{"etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "var/lib/dpkg/status", "var/lib/dpkg/available"} {
		r.write(name, "")
	}
}

func (r *emptyRoot) write(path, text string) {
	if err := os.WriteFile(r.at(path), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *emptyRoot) read(path string) string {
	r.t.Helper()
	data, err := os.ReadFile(r.at(path))
	if err != nil {
		r.t.Error(err)
	}
	return string(data)
}

func (r *emptyRoot) gone(paths ...string) {
	r.t.Helper()
	for _, path := range paths {
		if _, err := os.Stat(r.at(path)); err == nil {
			r.t.Errorf("%s is left", path)
		}
	}
}

// user returns the ID of the service's user.
func (r *emptyRoot) user() (id uint32) {
	for line := range strings.Lines(r.read("etc/passwd")) {
		if rest, ok := strings.CutPrefix(line, "wirepost:x:"); ok {
			fmt.Sscan(strings.SplitN(rest, ":", 2)[0], &id) //nolint:errcheck // 0 is wrong as well
		}
	}
	return id
}

func (r *emptyRoot) dpkg(args ...string) {
	r.t.Helper()
	all := append([]string{"--root=" + r.dir, "--force-script-chrootless", "--force-depends", "--force-architecture", "--force-confold"}, args...)
	cmd := exec.Command("dpkg", all...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("dpkg %v: %v\n%s", args, err, out)
	}
}

// serve starts the command line of the unit as its user, and pushes a message.
func (r *emptyRoot) serve() {
	r.t.Helper()
	unit := r.read("usr/lib/systemd/system/wirepost.service")
	line := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(unit)
	if line == nil {
		r.t.Fatal("the unit has no ExecStart")
	}
	// The paths are of the system that it is installed in.
	args := strings.Fields(strings.NewReplacer("/usr/bin", r.at("usr/bin"), "/etc/wirepost", r.at("etc/wirepost")).Replace(line[1]))
	args = append(args, "--listen=127.0.0.1:0", "--data="+r.at("var/lib/wirepost/data"))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(cmd.Env, strings.Split(strings.TrimSpace(r.read("etc/wirepost/secrets.env")), "\n")[1:]...)
	r.open()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: r.user(), Gid: r.user()}}
	url, stop := serving(r.t, cmd)
	defer stop()
	push := exec.Command(args[0], "push", "--server", url, "user:42", "hello")
	push.Env = cmd.Env
	if out, err := push.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "user:42 seq 1 ") {
		r.t.Errorf("push: %v: %s", err, out)
	}
}

// open lets other users reach the temporary directory.
func (r *emptyRoot) open() {
	for dir := r.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestUnit checks that the unit is as closed as it claims.
func TestUnit(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	out, err := exec.Command(tool, "security", "--no-pager", "--offline=true", "--threshold=20", "../deploy/package/wirepost.service").CombinedOutput()
	if strings.Contains(string(out), "unrecognized option") {
		t.Skip("systemd is older than 250")
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestScripts checks the scripts of the packages, with shellcheck where it is installed.
func TestScripts(t *testing.T) {
	for _, format := range formats {
		dir := t.TempDir()
		if err := (&release{root: ".."}).scripts(format, dir); err != nil {
			t.Fatal(err)
		}
		scripts, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(scripts) == 0 {
			t.Fatal(scripts, err)
		}
		for _, script := range scripts {
			if out, err := exec.Command("sh", "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
			tool, err := exec.LookPath("shellcheck")
			if err != nil {
				continue
			}
			if out, err := exec.Command(tool, "-s", "sh", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", script, err, out)
			}
		}
	}
}
