#!/bin/sh
# Runs the root file system of the image: image-run.sh DIRECTORY USER. The server has a
# network of its own and a read-only root, and runs as the user, who may write to /data only.
set -eu

# shellcheck disable=SC2016 # the inner shell expands them
exec unshare --mount --net --pid --fork --mount-proc sh -eu -c '
	root=$1 user=$2
	ip link set lo up
	mount --bind "$root" "$root"
	mount -t tmpfs -o "mode=0700,uid=${user%:*},gid=${user#*:}" none "$root/data"
	mount -o remount,bind,ro "$root"
	if touch "$root/file" 2>/dev/null; then echo "the root is not read-only" >&2; exit 1; fi
	key=0123456789abcdef0123456789abcdef
	set -- env -i WIREPOST_LISTEN=:8080 WIREPOST_DATA=/data/store WIREPOST_API_KEY=$key WIREPOST_TOKEN_SECRET=$key$key \
		"$(command -v chroot)" --userspec="$user" "$root" /usr/bin/wirepost
	"$@" serve &
	server=$!
	for i in $(seq 300); do "$@" health >/dev/null 2>&1 && break; sleep 0.1; done
	"$@" health
	grep -q "^Uid:[[:space:]]*${user%:*}[[:space:]]" /proc/$server/status || { echo "the server runs as another user" >&2; exit 1; }
	"$@" version
	"$@" push user:42 hello
	kill -TERM $server
	wait $server
' sh "$1" "$2"
