#!/bin/sh
# Imports the container images that are part of the machine's image, when
# containerd does not have exactly these. No registry is asked. The images are
# pinned, so that the kubelet does not remove them when the disk is full; those
# of an earlier image of the machine are removed. INGOT_ROOT is a folder to take
# for /, for tests.
set -eu
export LC_ALL=C
list=${INGOT_ROOT-}/usr/lib/ingot/containerd/images.list
archives=${INGOT_ROOT-}/usr/share/ingot/images
label=ingot.local/images

images() {
	command=$1
	shift
	/usr/bin/ctr --namespace k8s.io images "$command" "$@"
}

# Names and digests are in the list, so it says which images they are.
set=$(sha256sum <"$list")
set=${set%% *}
wanted=$(sort "$list")
if [ "$(images list --quiet "labels.\"$label\"==\"$set\"" | sort)" = "$wanted" ]; then
	exit 0
fi
for archive in "$archives"/*.tar; do
	images import --snapshotter overlayfs "$archive"
done
for name in $wanted; do
	images label "$name" "$label=$set" io.cri-containerd.pinned=pinned >/dev/null
done
for name in $(images list --quiet "labels.\"$label\"!=\"$set\",labels.\"$label\""); do
	images remove "$name"
done
