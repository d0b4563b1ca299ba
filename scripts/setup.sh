#!/bin/bash
# setup.sh [LIST]: installs the programs of a list that the machine does not
# have, those of the tests if none is given: as root by apt, else it names them
# in one line and ends with status 1. It starts no service, and keeps services
# that it brought from starting at the next boot.
set -euo pipefail

list=${1:-$(dirname "$0")/../internal/need/packages.txt}
policy=/usr/sbin/policy-rc.d
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # normal users of Debian lack these

die() {
	echo "error: $*" >&2
	exit 1
}

# missing_packages prints the packages whose program is not there, one a line.
missing_packages() {
	local program package
	while read -r program package; do
		case $program in '' | '#'*) continue ;; esac
		command -v "$program" >/dev/null || [ -e "$program" ] || echo "$package"
	done <"$list" | sort -u
}

# forbid_services makes package scripts leave services alone until this script
# ends, unless the machine has a policy of its own.
forbid_services() {
	[ -e "$policy" ] && return
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\n# made by scripts/setup.sh, removed when it ends\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
}

# calm keeps what was just installed from acting when this machine boots.
calm() {
	local package
	for package in "$@"; do
		case $package in
		cloud-init) touch /etc/cloud/cloud-init.disabled ;;
		etcd-server) disable etcd.service ;;
		tinc) disable tinc.service ;;
		esac
	done
}

disable() {
	if command -v systemctl >/dev/null; then
		systemctl --quiet disable "$1" 2>/dev/null || true # not every system has it enabled
	fi
}

install_packages() {
	command -v apt-get >/dev/null || die "missing: $*; install them with the package manager of this system"
	# cloud-init's folder must be there before cloud-init is, to hold it back.
	case " $* " in *' cloud-init '*) mkdir -p /etc/cloud ;; esac
	forbid_services
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
	echo "installing: $*" >&2
	local log
	log=$(mktemp)
	if ! apt_install "$@" >"$log" 2>&1; then
		# The package lists may be missing or too old.
		if ! { apt-get -q update && apt_install "$@"; } >"$log" 2>&1; then
			tail -n 20 "$log" >&2
			rm -f "$log"
			die "installing: apt-get could not install: $*"
		fi
	fi
	rm -f "$log"
	calm "$@"
}

apt_install() {
	apt-get -qy -o DPkg::Lock::Timeout=300 --no-install-recommends install "$@" </dev/null
}

command -v go >/dev/null || die 'missing: go; install Go 1.26 or newer: https://go.dev/doc/install'
mapfile -t packages < <(missing_packages)
[ ${#packages[@]} -eq 0 ] && exit 0
[ "$(id -u)" -eq 0 ] || die "missing: ${packages[*]}; install them with: apt-get install ${packages[*]}"
install_packages "${packages[@]}"
mapfile -t packages < <(missing_packages)
[ ${#packages[@]} -eq 0 ] || die "installing: still missing: ${packages[*]}"
