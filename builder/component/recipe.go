package component

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"time"
)

// sources are the main packages that are written here, because one program
// with several names is smaller than several programs. They are no Go files
// for the Go command: their modules are not those of this one.
//
//go:embed src
var sources embed.FS

// recipe is how a component is compiled, and where its programs go: the paths
// that Debian's packages have them at, so that units do not differ.
type recipe struct {
	name     string
	also     []string // further modules that have the component's version
	staging  bool     // the main module's replaced modules have the version v0.<minor>.<patch>
	tags     string   // build tags with commas
	godebug  string   // default of the main package, where it is not that of the Go release
	programs []target
	single   string                                                 // the program that a url or file stands for
	version  func(version string, date time.Time) map[string]string // variable -> value
}

// target is one program to compile.
type target struct {
	pkg   string // its main package; empty: the one in src/<name>
	path  string // on the image
	links []string
}

// file is the program's name in the folder that it is made in.
func (t target) file() string { return path.Base(t.path) }

const cniFolder = "/usr/lib/cni/"

// recipes are all components that can be made.
var recipes = []recipe{
	{
		name: "kubernetes", staging: true, godebug: "go1.26",
		tags: "notest,grpcnotrace", // as Kubernetes' own releases (hack/lib/golang.sh)
		programs: []target{{path: "/usr/lib/ingot/bin/kubernetes", links: []string{
			"/usr/bin/kube-apiserver", "/usr/bin/kube-controller-manager", "/usr/bin/kube-proxy",
			"/usr/bin/kube-scheduler", "/usr/bin/kubectl", "/usr/bin/kubelet",
		}}},
		version: kubernetesVersion,
	},
	{
		name: "etcd", also: []string{"go.etcd.io/etcd/etcdctl/v3", "go.etcd.io/etcd/etcdutl/v3"},
		programs: []target{{path: "/usr/bin/etcd", links: []string{"/usr/bin/etcdctl", "/usr/bin/etcdutl"}}},
		version:  variables("go.etcd.io/etcd/api/v3/version.GitSHA", "release-%s"),
	},
	{
		name: "coredns", tags: "grpcnotrace", // as CoreDNS' own releases
		programs: []target{{path: "/usr/bin/coredns"}}, single: "/usr/bin/coredns",
	},
	{
		name: "containerd", tags: "urfave_cli_no_docs,no_btrfs,no_devmapper,no_zfs",
		programs: []target{
			{pkg: "github.com/containerd/containerd/v2/cmd/containerd", path: "/usr/bin/containerd"},
			{pkg: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", path: "/usr/bin/containerd-shim-runc-v2"},
			{pkg: "github.com/containerd/containerd/v2/cmd/ctr", path: "/usr/bin/ctr"},
		},
		version: variables("github.com/containerd/containerd/v2/version.Version", "%s"),
	},
	{
		name: "cni", // what Ingot's own network and common additions to it use
		programs: []target{
			{pkg: plugin("main/bridge"), path: cniFolder + "bridge"},
			{pkg: plugin("main/loopback"), path: cniFolder + "loopback"},
			{pkg: plugin("main/ptp"), path: cniFolder + "ptp"},
			{pkg: plugin("ipam/host-local"), path: cniFolder + "host-local"},
			{pkg: plugin("meta/bandwidth"), path: cniFolder + "bandwidth"},
			{pkg: plugin("meta/firewall"), path: cniFolder + "firewall"},
			{pkg: plugin("meta/portmap"), path: cniFolder + "portmap"},
			{pkg: plugin("meta/tuning"), path: cniFolder + "tuning"},
		},
		version: variables("github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion", "%s"),
	},
	{
		name:     "node-exporter",
		programs: []target{{pkg: "github.com/prometheus/node_exporter", path: "/usr/bin/prometheus-node-exporter"}},
		single:   "/usr/bin/prometheus-node-exporter",
		version:  variables("github.com/prometheus/common/version.Version", "%s"),
	},
	{
		// Never compiled: it needs cgo.
		name: "runc", programs: []target{{path: "/usr/sbin/runc"}}, single: "/usr/sbin/runc",
	},
}

func plugin(name string) string { return "github.com/containernetworking/plugins/plugins/" + name }

// variables sets one variable to the component's version.
func variables(name, format string) func(string, time.Time) map[string]string {
	return func(version string, _ time.Time) map[string]string {
		return map[string]string{name: fmt.Sprintf(format, version)}
	}
}

// kubernetesVersion is what Kubernetes' programs say of themselves, in both
// packages that it keeps it in (hack/lib/version.sh). The commit is not part
// of a module.
func kubernetesVersion(version string, date time.Time) map[string]string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	out := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		out[pkg+".gitVersion"] = version
		out[pkg+".gitMajor"] = parts[0]
		out[pkg+".gitMinor"] = parts[1]
		out[pkg+".gitCommit"] = "unknown"
		out[pkg+".gitTreeState"] = "archive"
		out[pkg+".buildDate"] = date.UTC().Format(time.RFC3339)
	}
	return out
}
