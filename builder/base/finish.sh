#!/bin/sh
# Takes out of a new root what belongs to one machine or to the making of the
# root, and would differ each time. mmdebstrap runs it with the root's path.
set -eu
root=$1
case $root in /*/*) ;; *) echo "not the path of a new root: $root" >&2; exit 1 ;; esac

# Keys and names of one machine.
rm -f "$root"/etc/ssh/ssh_host_*
: >"$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname" "$root/var/lib/systemd/random-seed"
# The host's resolvers; what resolved links there stays.
if [ -f "$root/etc/resolv.conf" ] && [ ! -L "$root/etc/resolv.conf" ]; then rm "$root/etc/resolv.conf"; fi
rm -f "$root/etc/.resolv.conf.systemd-resolved.bak" # where its package keeps them

# Traces of the making: mirrors, logs, caches and backups.
rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap \
	"$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
rm -rf "$root"/var/lib/apt/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old \
	"$root"/var/cache/ldconfig/aux-cache "$root"/var/log/alternatives.log "$root"/var/log/dpkg.log \
	"$root"/var/log/apt "$root"/var/log/bootstrap.log "$root"/boot/initrd.img-*
rm -f "$root"/etc/passwd- "$root"/etc/shadow- "$root"/etc/group- "$root"/etc/gshadow- "$root"/etc/subuid- "$root"/etc/subgid-
