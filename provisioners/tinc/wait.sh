#!/bin/sh
# Returns when the mesh interface has the node's address, which tinc-up gives
# it. The unit's start timeout bounds the waiting. The variables are those of
# /etc/ingot/node.env.
set -eu
until ip -o address show dev "$INGOT_MESH_INTERFACE" 2>/dev/null | grep -qF " $INGOT_MESH_IP/"; do
	sleep 1
done
