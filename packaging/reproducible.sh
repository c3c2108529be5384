#!/usr/bin/env bash
# Builds the binary twice from what is committed, in clones at other places, each with an environment of its own, by
# people with other settings, and compares all that is published. With --keep both stay for a look.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp --directory)
[[ ${1-} == --keep ]] || trap 'rm -rf "$scratch"' EXIT
one=$scratch/one
two=$scratch/at/another/place

git clone --quiet . "$one"
git clone --quiet . "$two"
make --directory "$one" --silent binary
(
	umask 077
	TZ=Asia/Ho_Chi_Minh LC_ALL=C make --directory "$two" --silent binary
)
for clone in "$one" "$two"; do
	(cd "$clone/dist" && sha256sum --check --quiet SHA256SUMS)
done
if ! diff "$one/dist/SHA256SUMS" "$two/dist/SHA256SUMS"; then
	echo "These files differ between two builds of $(git rev-parse --short HEAD)." >&2
	exit 1
fi
cat "$one/dist/SHA256SUMS"
echo "Both builds of $(git rev-parse --short HEAD) are equal."
