#!/bin/sh
# Writes what is this machine's alone, from /etc/ingot/node.env: where the
# kubelet listens and its taints, and the addresses that CNI gives to pods.
# INGOT_ROOT is a folder to take for /, for tests.
set -euf
export LC_ALL=C
umask 022
root=${INGOT_ROOT-}
template=$root/usr/lib/ingot/kubelet/cni.conflist
kubelet=$root/run/ingot/kubelet.d
cni=$root/etc/cni/net.d
: "${INGOT_MESH_IP:?}" "${INGOT_POD_CIDRS:?}"

# put replaces a file by what comes in, as a whole.
put() {
	cat >"$1.new"
	mv -f "$1.new" "$1"
}

mkdir -p "$kubelet" "$cni"
IFS=,
{
	printf 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\naddress: "%s"\n' "$INGOT_MESH_IP"
	if [ -n "${INGOT_NODE_TAINTS-}" ]; then printf 'registerWithTaints:\n'; fi
	for taint in ${INGOT_NODE_TAINTS-}; do # key=value:effect or key:effect
		pair=${taint%:*}
		value=
		case $pair in *=*) value=${pair#*=} ;; esac
		printf -- '- {key: "%s", value: "%s", effect: "%s"}\n' "${pair%%=*}" "$value" "${taint##*:}"
	done
} | put "$kubelet/10-node.conf"

ranges=
for cidr in $INGOT_POD_CIDRS; do
	ranges="$ranges${ranges:+, }[{\"subnet\": \"$cidr\"}]"
done
sed "s|@RANGES@|$ranges|" "$template" | put "$cni/10-ingot.conflist"
