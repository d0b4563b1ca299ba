#!/bin/sh
# Makes a new root a plain Debian that a provider would give: a user with sudo
# and a key, SSH, an address by DHCP, an initrd for any machine. mmdebstrap runs
# it with the root's path; the user's public key is in the environment.
set -eu
root=$1
case $root in /*/*) ;; *) echo "not the path of a new root: $root" >&2; exit 1 ;; esac

chroot "$root" useradd --create-home --shell /bin/bash debian
install -d -m 0700 "$root/home/debian/.ssh"
printf '%s\n' "$PLAIN_KEY" >"$root/home/debian/.ssh/authorized_keys"
chroot "$root" chown -R debian:debian /home/debian
printf 'debian ALL=(ALL) NOPASSWD:ALL\n' >"$root/etc/sudoers.d/debian"
printf 'plain\n' >"$root/etc/hostname"
printf '[Match]\nType=ether\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/lan.network"
chroot "$root" systemctl enable systemd-networkd.service
# Of the Debian archive that it was made from nothing is left in its sources.
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
version=$(basename "$root"/lib/modules/*)
chroot "$root" dracut --quiet --no-hostonly --add-drivers 'virtio_pci virtio_blk ext4' --force /boot/initrd.img "$version"
cp "$root/boot/vmlinuz-$version" "$root/boot/vmlinuz"
