#!/bin/sh
# Copies tinc's settings of this node to where tincd reads them, without what an
# identity has for systems that are not from an image: there the node's tincd
# announces the virtual address itself, here ingot-node vip does so, as a node
# of its own. The private key stays where it is. The variables are those of
# /etc/ingot/node.env. INGOT_ROOT is a folder to take for /, for tests.
set -eu
export LC_ALL=C
umask 022
root=${INGOT_ROOT-}
from=$root/etc/tinc/$INGOT_MESH_INTERFACE
to=$root/run/ingot/tinc/$INGOT_MESH_INTERFACE
name=$(sed -n 's/^Name *= *//p' "$from/tinc.conf")
: "${name:?}"

rm -rf "$to"
mkdir -p "$to"
cp -R "$from/hosts" "$to/hosts"
{
	cat "$from/tinc.conf"
	printf 'PrivateKeyFile = %s\n' "$from/rsa_key.priv"
} >"$to/tinc.conf"
for script in tinc-up tinc-down; do
	if [ -e "$from/$script" ]; then
		grep -vF " $INGOT_API_VIP/" "$from/$script" >"$to/$script"
		chmod 0755 "$to/$script"
	fi
done
grep -vF " $INGOT_API_VIP/" "$from/hosts/$name" >"$to/hosts/$name"
case ,$INGOT_ROLES, in
*,controller,*)
	# The node that announces has the same key. Who has it is this machine.
	sed -n '/^-----BEGIN /,/^-----END /p' "$from/hosts/$name" >"$to/hosts/${name}_VIP"
	;;
esac
