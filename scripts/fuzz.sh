#!/bin/bash
# Runs every fuzz target of the module, one after another.
# usage: scripts/fuzz.sh TIME    for example 10s for each target
set -euo pipefail

time=${1:?usage: scripts/fuzz.sh TIME}

# Only packages with a target are compiled.
mapfile -t folders < <(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u)
if [ ${#folders[@]} -eq 0 ]; then
	echo 'no fuzz target' >&2
	exit 0
fi

for folder in "${folders[@]}"; do
	targets=$(go test -vet=off -list '^Fuzz' "$folder" | grep '^Fuzz' || true)
	for target in $targets; do
		echo "fuzzing $folder $target for $time"
		go test -vet=off -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$folder"
	done
done
