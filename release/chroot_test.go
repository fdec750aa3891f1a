package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebianRoot installs the package in a Debian of its own, with its dependencies and
// without any help of the system around it, and uses it there.
func TestDebianRoot(t *testing.T) {
	if os.Getenv("DEBIAN_ROOT") == "" {
		t.Skip("set DEBIAN_ROOT=1, or use make test-packages: it takes minutes, root and the network")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// The packages come from where those of this system come from.
	args := []string{"--variant=minbase", "--include=init-system-helpers", "stable", dir}
	if mirror := os.Getenv("DEBIAN_MIRROR"); mirror != "" {
		args = append(args, mirror)
	}
	sh(t, "", "debootstrap "+strings.Join(args, " "))
	sh(t, "", fmt.Sprintf("cp %q %q", debian(t), filepath.Join(dir, "wirepost.deb")))
	sh(t, dir, "dpkg --install wirepost.deb")
	sh(t, dir, "test -L /etc/systemd/system/multi-user.target.wants/wirepost.service")
	sh(t, dir, `set -a; . /etc/wirepost/secrets.env
		setpriv --reuid=wirepost --regid=wirepost --init-groups $(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/wirepost.service) </dev/null >/tmp/out 2>/tmp/log &
		server=$!
		for i in $(seq 300); do wirepost health --ready >/dev/null 2>&1 && break; sleep 0.1; done
		wirepost push user:42 hello && wirepost config check --config /etc/wirepost/wirepost.yaml >/dev/null
		status=$?
		kill $server
		wait $server || status=$?
		[ $status = 0 ] || { cat /tmp/log; exit $status; }`)
	sh(t, dir, "dpkg --install wirepost.deb && test -s /var/lib/wirepost/data/WIREPOST")
	sh(t, dir, "dpkg --remove wirepost && ! command -v wirepost && test -s /etc/wirepost/secrets.env && test -s /var/lib/wirepost/data/WIREPOST")
	sh(t, dir, "dpkg --purge wirepost && ! test -e /etc/wirepost && ! test -e /var/lib/wirepost && ! id wirepost 2>/dev/null")
	sh(t, dir, "! find / -xdev -name '*wirepost*' -not -name wirepost.deb -not -path '/proc/*' -not -path '/var/lib/dpkg/*' | grep .")
}

// sh runs a script in a root directory, or in this one.
func sh(t *testing.T, root, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	if root != "" {
		cmd = exec.Command("chroot", root, "sh", "-c", script)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
