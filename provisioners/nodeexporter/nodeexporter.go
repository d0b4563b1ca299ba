// Package nodeexporter is the layer of Prometheus' node-exporter: the
// machine's own metrics, in the mesh and nowhere else.
package nodeexporter

import (
	_ "embed" // unit and configuration
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

const (
	configPath = "/usr/lib/ingot/node-exporter/web.yaml"
	unitName   = "node-exporter.service"
	binary     = "/usr/bin/prometheus-node-exporter"
	port       = 9100
)

//go:embed node-exporter.service
var unit string

//go:embed web.yaml
var web []byte

// collectors are what is worth knowing of a machine that runs containers.
// Those of file systems and hardware that no image has are left out.
var collectors = []string{
	"conntrack", "cpu", "diskstats", "filefd", "filesystem", "hwmon", "loadavg", "meminfo", "netdev", "netstat", "nvme", "os",
	"pressure", "sockstat", "softnet", "stat", "systemd", "time", "timex", "uname", "vmstat",
}

// ownUnits are the units whose state is a metric: those of the node, as a
// regular expression that is anchored by node-exporter.
const ownUnits = `(ingot-.*|tinc@.*|etcd|containerd|kube-.*|kubelet|coredns|node-exporter|ssh|systemd-(networkd|resolved|timesyncd|journald))\.(service|target)`

// Layer is the layer. It is empty where the definition switches it off.
func Layer(c *cluster.Cluster) layer.Layer {
	l := layer.Layer{Name: "nodeexporter"}
	if !*c.Def.Features.NodeExporter {
		return l
	}
	l.Components = []string{"node-exporter"}
	l.Files = []layer.File{{Path: configPath, Content: web}}
	l.Units = []layer.Unit{
		{
			Name: unitName, WantedBy: identity.Targets(),
			Content: strings.NewReplacer("@mesh@", tinc.Unit(c), "@command@", command(c)).Replace(unit),
		},
		{Name: "prometheus-node-exporter.service", Masked: true}, // of the package
	}
	l.Listeners = []layer.Listener{{
		Program: "node-exporter", Address: "mesh", Port: port, Proto: "tcp", Purpose: "metrics of the machine, over TLS", On: "all nodes",
	}}
	return l
}

// command is node-exporter's command line, as ExecStart= has it.
func command(c *cluster.Cluster) string {
	host := "${INGOT_MESH_IP}"
	if c.MeshCIDRs[0].Addr().Is6() {
		host = "[" + host + "]"
	}
	args := []string{
		binary,
		"--web.listen-address=" + host + ":9100",
		"--web.config.file=" + configPath,
		"--collector.disable-defaults",
	}
	for _, name := range collectors {
		args = append(args, "--collector."+name)
	}
	// Every container has mounts and an interface of its own.
	args = append(args,
		`--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/(containerd|kubelet))($$|/)`,
		`--collector.filesystem.fs-types-exclude=^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|nsfs|overlay|proc|pstore|securityfs|squashfs|sysfs|tracefs)$$`,
		`--collector.netdev.device-exclude=^veth.*$$`,
		"--collector.systemd.unit-include="+ownUnits)
	for i, arg := range args { // quoted for systemd: a backslash would be an escape
		if strings.ContainsAny(arg, `\|()`) {
			args[i] = `"` + strings.ReplaceAll(arg, `\`, `\\`) + `"`
		}
	}
	return strings.Join(args, " \\\n    ")
}
