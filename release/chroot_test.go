package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebianRoot installs the packages in a Debian of its own, with their dependencies and
// without any help of the system around it, and uses them there.
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
	published := filepath.Dir(debian(t))
	for _, format := range formats {
		sh(t, "", fmt.Sprintf("cp %q/*.%s %q", published, format, filepath.Join(dir, "wirepost."+format)))
	}
	const kept = "! command -v wirepost && test -s /etc/wirepost/secrets.env && test -s /var/lib/wirepost/data/WIREPOST"
	const nothing = "! find / -xdev -name '*wirepost*' -not -path '/wirepost.*' -not -path '/proc/*' -not -path '/var/lib/dpkg/*' | grep ."

	sh(t, dir, "dpkg --install wirepost.deb")
	sh(t, dir, "test -L /etc/systemd/system/multi-user.target.wants/wirepost.service")
	sh(t, dir, use)
	sh(t, dir, "dpkg --install wirepost.deb && test -s /var/lib/wirepost/data/WIREPOST")
	sh(t, dir, "dpkg --remove wirepost && "+kept)
	sh(t, dir, "dpkg --purge wirepost && ! test -e /etc/wirepost && ! test -e /var/lib/wirepost && ! id wirepost 2>/dev/null")
	sh(t, dir, nothing)

	// The rpm of this system does not know what dpkg has installed there, so it cannot check
	// the dependencies.
	rpm := fmt.Sprintf("rpm --root %q --nodeps ", dir)
	sh(t, "", rpm+"--install "+filepath.Join(dir, "wirepost.rpm"))
	sh(t, dir, use)
	sh(t, "", rpm+"--upgrade --force "+filepath.Join(dir, "wirepost.rpm"))
	sh(t, dir, "test -s /var/lib/wirepost/data/WIREPOST")
	sh(t, "", rpm+"--erase wirepost")
	sh(t, dir, kept)
	sh(t, dir, "userdel wirepost && rm -r /etc/wirepost /var/lib/wirepost && "+nothing)

	// There is no apk here: its files and its script are taken out of the package.
	sh(t, dir, "tar --warning=no-unknown-keyword -xzf wirepost.apk && sh ./.post-install && test -x /etc/init.d/wirepost")
	sh(t, dir, strings.ReplaceAll(use, "$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/wirepost.service)",
		`$(. /etc/init.d/wirepost && echo "$command" "$command_args")`))
}

// use starts the command line of the unit as its user, pushes a message, and stops it.
const use = `set -a; . /etc/wirepost/secrets.env
	setpriv --reuid=wirepost --regid=wirepost --init-groups $(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/wirepost.service) </dev/null >/tmp/out 2>/tmp/log &
	server=$!
	for i in $(seq 300); do wirepost health --ready >/dev/null 2>&1 && break; sleep 0.1; done
	wirepost push user:42 hello && wirepost config check --config /etc/wirepost/wirepost.yaml >/dev/null
	status=$?
	kill $server
	wait $server || status=$?
	[ $status = 0 ] || { cat /tmp/log; exit $status; }`

// sh runs a script in a root directory, with a network of its own, or in this one.
func sh(t *testing.T, root, script string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	if root != "" {
		cmd = exec.Command("unshare", "--net", "sh", "-c", `ip link set lo up && exec chroot "$1" sh -c "$2"`, "sh", root, script)
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}
