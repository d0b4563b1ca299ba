package ignition_test

import (
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
)

// everythingText is a definition that uses all that an identity can carry:
// dual stack, static network, files and units of all nodes and of one.
const everythingText = `apiVersion: ingot/v1
kind: Cluster
name: every
domain: every.example.com
kubernetes:
  version: v1.36.3
  serviceCIDR: 10.96.0.0/16,fd00:96::/112
  podCIDR: 10.244.0.0/16,fd00:244::/48
  labels: {tier: "gold"}
mesh: {cidr: "10.42.0.0/16,fd00:42::/64", interface: vpn0}
api: {names: [api.every.example.com]}
access: {user: admin, sshKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKwFW44jf15h8vmVho6LytQLxCUABghb9chAfLiOSyNC ops@example.com"]}
files:
  - {path: /etc/motd, content: "for all\n"}
  - {path: /etc/app/shared.conf, mode: "0640", owner: "root:etcd", content: "shared\n"}
units:
  - name: app.service
    enabled: true
    content: |
      [Service]
      Type=oneshot
      ExecStart=/usr/bin/true
      [Install]
      WantedBy=multi-user.target
nodes:
  - name: ctl-1
    roles: [controller]
    zone: a
    address: 192.0.2.77
    labels: {disk: ssd}
    taints: ["dedicated=control:NoSchedule"]
    network:
      dns: [203.0.113.53, "2001:db8:53::53"]
      search: [every.example.com]
      interfaces:
        - name: ens192
          addresses: [192.0.2.77/24, "2001:db8:77::7/64"]
          gateways: [192.0.2.1, "2001:db8:77::1"]
          mtu: 9000
          routes: [{to: 198.51.100.0/24, via: 192.0.2.254}]
        - {mac: "52:54:00:12:34:56", dhcp: true}
        - {name: ens224, mac: "52:54:00:12:34:57", addresses: [10.9.8.7/24]}
    files:
      - {path: /etc/issue, content: "for one\n"}
      - {path: /etc/app/secret, mode: "0600", owner: "etcd", content: "hush"}
    units:
      - {name: one.timer, content: "[Timer]\nOnBootSec=1h\n"}
    install: {disk: /dev/disk/by-id/ata-Model_S1, overwrite: S1}
  - {name: edge-1, roles: [edge], address: "2001:db8::5"}
  - {name: w1, roles: [worker]}
`

// everything is the first node of that definition.
func everything(t testing.TB) *ignition.Identity {
	t.Helper()
	return every(t).identity(t, "ctl-1")
}

func every(t testing.TB) *world {
	t.Helper()
	worlds.Lock()
	defer worlds.Unlock()
	if w, ok := worlds.byName["every"]; ok {
		return w
	}
	w := newWorld(t, everythingText)
	worlds.byName["every"] = w
	return w
}
