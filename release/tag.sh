#!/bin/sh
# Makes a version of what is unreleased: its section in CHANGELOG.md, the version of the npm
# package, a commit and a tag.
# The section begins with release/notes/VERSION.md, if there is one. Nothing is pushed.
# Usage: release/tag.sh v0.1.0
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
notes=release/notes/$version.md
{
	sed '/^## Unreleased$/q' CHANGELOG.md
	printf '\n## %s - %s\n' "$version" "$(date -u +%F)"
	if [ -e "$notes" ]; then
		echo
		cat "$notes"
		printf '\n### Changes\n'
	fi
	sed '1,/^## Unreleased$/d' CHANGELOG.md
} >CHANGELOG.md.new
mv CHANGELOG.md.new CHANGELOG.md
# Files that name the version of the npm package, after its name.
package='js/package.json js/package-lock.json examples/react/package-lock.json'
for file in $package; do
	sed '/^ *"name": "wirepost",$/b next
/^ *"node_modules\/wirepost": {$/b next
b
:next
n
s/"version": "[^"]*"/"version": "'"${version#v}"'"/' "$file" >"$file.new"
	mv "$file.new" "$file"
done
git commit -q -m "changelog: release $version" CHANGELOG.md $package
# The notes are the section.
sed -n "/^## $version /,/^## v/{/^## v/d;p;}" CHANGELOG.md | git tag -a "$version" --cleanup=verbatim -F -
echo "tagged $version: make release, then git push --follow-tags"
