#!/bin/sh
# Puts the identity of this machine in place: takes the bundle that
# identity.sha256 names, and unpacks it. Run again, it does nothing until
# identity.sha256 names another bundle. With a bundle as its argument it unpacks
# that one, whatever was wanted before: this is how certificates are renewed on
# a machine that stays.
#
# Comments are left out in identities. INGOT_ROOT is a folder to take for /,
# for tests.
set -eu
root=${INGOT_ROOT-}
# In an image of Ingot there is a program that does the same much faster: here, each
# file takes ten processes.
node=$root/usr/lib/ingot/bin/ingot-node
[ ! -x "$node" ] || exec "$node" unpack --root "$root/" "$@"
umask 077
export LC_ALL=C
uid=$(id -u)
dir=$root/etc/ingot
run=$root/run/ingot
pin=$dir/identity.sha256
applied=$dir/identity.applied

die() {
	printf 'ingot-identity: %s\n' "$*" >&2
	exit 1
}

# put replaces a file by what comes in.
put() {
	temp=$1.new
	cat >"$temp"
	mv -f "$temp" "$1"
}

# flush waits until what was written would survive a power cut.
flush() { [ -n "$root" ] || sync; }

# tidy drops the copies of the bundle: they are not needed any more.
tidy() {
	rm -f "$dir/identity.bundle" "$dir/identity.bundle.new" "$run/identity.bundle"
	if [ -f "$dir/fetch" ]; then sh "$dir/fetch" clear; fi
}

# Nothing of the bundle is anywhere but in this folder, in memory, until it
# stands where it belongs.
[ "$root$uid" = 0 ] || [ -n "$root" ] || die "only root can do this"
mkdir -p "$run"
work=$(mktemp -d "$run/unpack.XXXXXX")
temp=$work/temp
trap 'rm -rf "$work" "$temp"' EXIT
trap 'exit 1' HUP INT TERM

if [ $# -gt 0 ]; then
	from=$1
else
	[ -s "$pin" ] || die "$pin is missing: without it no bundle is trusted"
	read -r want _ <"$pin"
	have=
	if [ -s "$applied" ]; then read -r have <"$applied"; fi
	if [ "$have" = "$want" ]; then
		tidy
		exit 0
	fi
	from=$dir/identity.bundle
	if [ ! -f "$from" ]; then
		from=$run/identity.bundle
		if [ ! -f "$from" ] && [ -f "$dir/fetch" ]; then sh "$dir/fetch" "$want"; fi
	fi
fi
[ -f "$from" ] || die "there is no bundle in $dir or $run: user_data.inline brings one along"
cat "$from" >"$work/bundle"
got=$(sha256sum <"$work/bundle" | cut -d ' ' -f 1)
[ $# -gt 0 ] || [ "$got" = "$want" ] || die "$from is not the bundle that $pin names: found $got, wanted $want"

broken() { die "$from is damaged: $*"; }
gzip -dc <"$work/bundle" >"$work/plain" 2>/dev/null || broken "not gzip"
sed '/^end$/q' "$work/plain" >"$work/manifest"
[ "$(sed 1q "$work/manifest")" = "ingot-identity 1" ] || broken "not a bundle, or one of a later version"

# Everything is made and checked before anything is put in place.
at=$(($(wc -c <"$work/manifest") + 1))
# tail is silenced: under systemd nothing ends it when head has enough.
part() { tail -c +"$at" "$work/plain" 2>/dev/null | head -c "$1"; }
count=0
while read -r kind a b c; do
	case $kind in
	f)
		case $c/ in
		*/../* | [!/]*) broken "path $c" ;;
		esac
		[ ! -d "$root$c" ] || die "$c is a folder, and a file is to be put there"
		count=$((count + 1))
		: >"$work/$count"
		if [ "$uid" = 0 ] && [ "$b" != root:root ] && ! chown "${b#\?}" "$work/$count" 2>/dev/null; then
			# Owners with a question mark are wished for, where there is such a user.
			[ "$b" != "${b#\?}" ] || die "$c is for $b, and there is no such user"
			b=root:root
		fi
		printf '%s\n' "$a ${b#\?} $c" >>"$work/list"
		;;
	t)
		part "$a" >>"$work/$count"
		at=$((at + a))
		;;
	p)
		{
			echo "-----BEGIN $b${c:+ $c}-----"
			part "$a" | base64 -w 64
			echo "-----END $b${c:+ $c}-----"
		} >>"$work/$count"
		at=$((at + a))
		;;
	esac
done <"$work/manifest"
[ $((at - 1)) -eq "$(wc -c <"$work/plain")" ] || broken "its size is not what its manifest says"

# From here on what was given is what is wanted, so that a run that is ended is
# gone on with at the next boot.
if [ $# -gt 0 ]; then
	put "$dir/identity.bundle" <"$work/bundle"
	flush
	(umask 022 && echo "$got  identity.bundle" | put "$pin")
	flush
fi

count=0
while read -r mode owner path; do
	count=$((count + 1))
	target=$root$path
	[ -d "${target%/*}" ] || (umask 022 && mkdir -p "${target%/*}")
	# A run that was ended may have left one.
	for temp in "${target%/*}"/.ingot-identity.*; do
		[ ! -e "$temp" ] || rm -f "$temp"
	done
	temp=${target%/*}/.ingot-identity.$$
	cat "$work/$count" >"$temp"
	[ "$uid" != 0 ] || [ "$owner" = root:root ] || chown "$owner" "$temp"
	chmod "$mode" "$temp"
	mv -f "$temp" "$target"
	if [ -e "$root/sys/fs/selinux/enforce" ]; then restorecon "$target" || :; fi
	printf '%s\n' "$path" >>"$work/paths"
done <"$work/list"

# What an earlier bundle brought and this one does not is removed.
if [ -f "$applied" ]; then
	while read -r path; do
		case $path in
		/*) grep -Fqx "$path" "$work/paths" || rm -f "$root$path" ;;
		esac
	done <"$applied"
fi
flush
umask 022
{ echo "$got" && cat "$work/paths"; } | put "$applied"
flush
tidy
echo "ingot-identity: $count files unpacked" >&2
