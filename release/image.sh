#!/bin/sh
# Builds the image of deploy/Dockerfile without Docker, and runs it as compose.yaml does: as
# its user, with a read-only root, without any other file. The Go image that it is built with
# is replaced by one made of Debian and this machine's Go, so that no registry of images is
# needed. Needs root, buildah and debootstrap. Usage: release/image.sh
set -eu

cd "$(dirname "$0")/.."
dir=$(mktemp -d)
images() { buildah --root "$dir/images" --runroot "$dir/run" --storage-driver "${STORAGE_DRIVER:-overlay}" "$@"; }
clean() {
	images rm --all >/dev/null 2>&1 || true
	images rmi --all --force >/dev/null 2>&1 || true
	rm -rf "$dir"
}
trap clean EXIT

echo "making golang:1.26-bookworm"
# shellcheck disable=SC2086 # no argument if there is none
debootstrap --variant=minbase --include=ca-certificates bookworm "$dir/debian" ${DEBIAN_MIRROR:-} >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
base=$(images from scratch)
images add -q "$base" "$dir/debian" / >/dev/null
images add -q "$base" "$(go env GOROOT)" /usr/local/go >/dev/null
# The modules come from this machine's cache, and what is compiled already. The image of the
# program begins with nothing, so that none of this is in it.
images config --env PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin --env GOTOOLCHAIN=local \
	--env GOPROXY=file:///proxy --env GOSUMDB=off "$base"
images commit -q "$base" localhost/golang:1.26-bookworm >/dev/null
images rm "$base" >/dev/null
rm -rf "$dir/debian"

echo "building"
go mod download
images build --isolation chroot --format docker --pull-never -v "$(go env GOMODCACHE)/cache/download:/proxy:ro" \
	-v "$(go env GOCACHE):/root/.cache/go-build" -f deploy/Dockerfile --build-arg TARGETOS=linux --build-arg "TARGETARCH=$(go env GOARCH)" --build-arg BUILDPLATFORM="linux/$(go env GOARCH)" -t localhost/wirepost . >"$dir/log" 2>&1 || {
	cat "$dir/log"
	exit 1
}
container=$(images from --pull-never localhost/wirepost)
release/image-run.sh "$(images mount "$container")" "$(images inspect --format '{{.OCIv1.Config.User}}' "$container")"
