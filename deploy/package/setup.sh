#!/bin/sh
# The beginning of the scripts that run after an installation: what every kind of package
# needs. DPKG_ROOT is set where dpkg installs into another root directory.
set -e

root=${DPKG_ROOT:-}

# key prints 32 random bytes.
key() { od -An -tx1 -N32 /dev/urandom | tr -d ' \n'; }

# ids prints the user and the group by number, as they are known in the root directory.
ids() { sed -n 's/^wirepost:[^:]*:\([0-9]*:[0-9]*\):.*/\1/p' "$root/etc/passwd"; }

setup() {
	if [ -z "$(ids)" ]; then
		if command -v useradd >/dev/null; then
			useradd ${root:+--prefix "$root"} --system --user-group --no-create-home \
				--home-dir /var/lib/wirepost --shell /usr/sbin/nologin --comment Wirepost wirepost
		else
			addgroup -S wirepost
			adduser -S -D -H -h /var/lib/wirepost -s /sbin/nologin -g Wirepost -G wirepost wirepost
		fi
	fi
	owner=$(ids)
	chown "0:${owner#*:}" "$root/etc/wirepost" "$root/etc/wirepost/wirepost.yaml"
	if [ ! -d "$root/var/lib/wirepost" ]; then
		mkdir -p "$root/var/lib/wirepost"
		chmod 0750 "$root/var/lib/wirepost"
		chown "$owner" "$root/var/lib/wirepost"
	fi
	if [ ! -e "$root/etc/wirepost/secrets.env" ]; then
		(
			umask 077
			printf '# Read by the service. Backends need the key; tokens are signed with the secret.\nWIREPOST_API_KEY=%s\nWIREPOST_TOKEN_SECRET=%s\n' \
				"$(key)" "$(key)" >"$root/etc/wirepost/secrets.env"
		)
	fi
}
