package gorepo

import "strings"

// Components are modules with the packages that the components of an image
// need, in the versions that a definition has when it names none. They are
// empty, and enough to be found; node-exporter's can be compiled, too.
func Components() []Module {
	var staged, plugins []string
	for _, name := range []string{"client-go", "component-base", "kubectl"} {
		staged = append(staged, "require k8s.io/"+name+" v0.0.0\nreplace k8s.io/"+name+" => ./staging/src/k8s.io/"+name)
	}
	for _, name := range strings.Fields("acl autopath bind bufsize cache cancel debug dns64 errors file forward header health hosts kubernetes " +
		"loadbalance local log loop metadata metrics minimal pprof ready reload rewrite root template timeouts tls view whoami") {
		plugins = append(plugins, "plugin/"+name)
	}
	cobra := library("github.com/spf13/cobra", "v1.0.0", "", ".")
	etcd := "require go.etcd.io/etcd/pkg/v3 v3.6.16\nrequire github.com/spf13/cobra v1.0.0\n"
	return []Module{
		cobra,
		library("k8s.io/kubernetes", "v1.36.3", strings.Join(staged, "\n")+"\nrequire github.com/spf13/cobra v1.0.0\n",
			"cmd/kube-apiserver/app", "cmd/kube-controller-manager/app", "cmd/kube-proxy/app", "cmd/kube-scheduler/app", "cmd/kubelet/app"),
		library("k8s.io/client-go", "v0.36.3", "", "plugin/pkg/client/auth"),
		library("k8s.io/component-base", "v0.36.3", "", "cli", "logs", "logs/json/register", "metrics/prometheus/clientgo", "metrics/prometheus/version"),
		library("k8s.io/kubectl", "v0.36.3", "", "pkg/cmd", "pkg/cmd/util"),
		library("go.etcd.io/etcd/server/v3", "v3.6.16", etcd, "etcdmain"),
		library("go.etcd.io/etcd/etcdctl/v3", "v3.6.16", etcd, "ctlv3"),
		library("go.etcd.io/etcd/etcdutl/v3", "v3.6.16", etcd, "etcdutl"),
		library("go.etcd.io/etcd/pkg/v3", "v3.6.16", "", "cobrautl"),
		library("github.com/coredns/coredns", "v1.14.7", "require github.com/coredns/caddy v1.1.4\n", append(plugins, "core/dnsserver", "coremain")...),
		library("github.com/coredns/caddy", "v1.1.4", "", "."),
		Exporter("v1.12.1"),
		Common("v0.1.0"),
	}
}

// Exporter is a node-exporter that only says its version.
func Exporter(version string) Module {
	return Module{
		Path: "github.com/prometheus/node_exporter", Version: version, GoMod: "require github.com/prometheus/common v0.1.0\n",
		Files: map[string]string{"main.go": "package main\n\nimport \"github.com/prometheus/common/version\"\n\nfunc main() { println(\"exporter\", version.Version, version.Common) }\n"},
	}
}

// Common is the module that says node-exporter's version.
func Common(version string) Module {
	return Module{
		Path: "github.com/prometheus/common", Version: version,
		Files: map[string]string{"version/v.go": "package version\n\nvar Version string\n\nconst Common = \"" + version + "\"\n"},
	}
}
