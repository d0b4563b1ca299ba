#!/bin/sh
# Runs a program in a tree as on a machine of its own. It is called in new
# namespaces of mounts and processes: enter.sh TREE DATE PROGRAM [ARGUMENT...]
set -eu
tree=$1 date=$2
shift 2
case $tree in /*/*) ;; *) echo "not the path of a tree: $tree" >&2; exit 1 ;; esac

mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=0755 tmpfs "$tree/run"
mount -t tmpfs -o mode=0755 tmpfs "$tree/dev"
for device in null zero full random urandom tty; do
	: >"$tree/dev/$device"
	mount --bind "/dev/$device" "$tree/dev/$device"
done
ln -s /proc/self/fd "$tree/dev/fd"
ln -s fd/0 "$tree/dev/stdin"
ln -s fd/1 "$tree/dev/stdout"
ln -s fd/2 "$tree/dev/stderr"
mkdir -m 1777 "$tree/dev/shm"

# Names are looked up as on this machine, where the image's resolved will be.
mkdir -p "$tree/run/systemd/resolve"
if [ -e /etc/resolv.conf ]; then cat /etc/resolv.conf >"$tree/run/systemd/resolve/stub-resolv.conf"; fi

# Where the caller is root, there is no namespace of users that would keep
# programs from what is not the tree's: devices, the kernel's modules, the clock.
exec setpriv --bounding-set=-mknod,-sys_module,-sys_rawio,-sys_boot,-sys_time,-syslog,-mac_admin,-mac_override,-audit_control \
	chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 TZ=UTC \
	DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="$date" "$@"
