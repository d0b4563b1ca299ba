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

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# fuzz PACKAGE TARGET runs one target. Go 1.26's fuzzer at times takes the end of
# its own time for a failure (https://go.dev/issue/75804); such a run, which
# names no failing input, is done again, at most twice.
fuzz() {
	local try
	for try in 1 2 3; do
		if go test -vet=off -run '^$' -fuzz "^$2\$" -fuzztime "$time" "$1" 2>&1 | tee "$log"; then
			return
		fi
		if [ "$try" = 3 ] || grep -q 'Failing input' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
			return 1
		fi
	done
}

for folder in "${folders[@]}"; do
	targets=$(go test -vet=off -list '^Fuzz' "$folder" | grep '^Fuzz' || true)
	for target in $targets; do
		echo "fuzzing $folder $target for $time"
		fuzz "$folder" "$target"
	done
done
