#!/bin/sh
# Makes a version of what is unreleased: its section in CHANGELOG.md, a commit and a tag.
# Nothing is pushed. Usage: release/tag.sh v0.1.0
set -eu

version=${1:-}
if ! printf %s "$version" | grep -Eqx 'v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?'; then
	echo "usage: $0 v0.1.0" >&2
	exit 2
fi
cd "$(git rev-parse --show-toplevel)"
if [ -n "$(git status --porcelain)" ]; then
	echo "there are changes that are not committed" >&2
	exit 1
fi
if git rev-parse -q --verify "refs/tags/$version" >/dev/null; then
	echo "the tag $version exists already" >&2
	exit 1
fi
if ! sed -n '/^## Unreleased$/,/^## v/p' CHANGELOG.md | grep -q '^- '; then
	echo "CHANGELOG.md has nothing below Unreleased" >&2
	exit 1
fi
sed -i "s/^## Unreleased\$/## Unreleased\n\n## $version - $(date -u +%F)/" CHANGELOG.md
git commit -q -m "changelog: release $version" CHANGELOG.md
# The notes are the section.
sed -n "/^## $version /,/^## v/{/^## /d;p;}" CHANGELOG.md | git tag -a "$version" --cleanup=verbatim -F -
echo "tagged $version: make release, then git push --follow-tags"
