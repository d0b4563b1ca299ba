// Package controlplane is the layer that runs the Kubernetes API and what acts
// on it, on the controllers: kube-apiserver, kube-controller-manager and
// kube-scheduler, each as a user of its own.
package controlplane

import (
	_ "embed" // the units and the settings
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

// The users, and files of settings.
const (
	apiServerID         = 821
	controllerManagerID = 822
	schedulerID         = 823

	authenticationPath = kube.Dir + "authentication.yaml"
	admissionPath      = kube.Dir + "admission.yaml"
	auditPolicyPath    = kube.Dir + "audit.yaml"
	schedulerPath      = kube.Dir + "scheduler.yaml"

	controllerManagerConf = kube.Dir + "controller-manager.conf"
	schedulerConf         = kube.Dir + "scheduler.conf"
)

// Ports of the components that serve health and metrics on loopback.
const (
	controllerManagerPort = 10257
	schedulerPort         = 10259
)

var (
	//go:embed kube-apiserver.service
	apiServerUnit string
	//go:embed kube-controller-manager.service
	controllerManagerUnit string
	//go:embed kube-scheduler.service
	schedulerUnit string
	//go:embed hardened.conf
	hardened string
	//go:embed authentication.yaml
	authentication []byte
	//go:embed admission.yaml
	admission []byte
	//go:embed audit.yaml
	auditPolicy []byte
)

// Layer runs the control plane. Certificates and keys come with the node's
// identity; systemd hands each service those that it needs.
func Layer(c *cluster.Cluster) layer.Layer {
	unit := func(name, text string, flags []kube.Flag) layer.Unit {
		return layer.Unit{
			Name: name + ".service",
			Content: strings.NewReplacer(
				"@MESH@", tinc.Unit(c),
				"@API@", apiendpoint.ReadyUnit,
				"@PKI@", kube.PKI,
				"@ENCRYPTION@", encryption(c),
				"@COMMAND@", kube.Command("/usr/bin/"+name, flags),
				"@CAPABILITIES@", kube.PortCapability(c.Def.API.Port),
				"@HARDENED@\n", hardened,
			).Replace(text),
			WantedBy: []string{identity.Target(cluster.Controller)},
		}
	}
	l := layer.Layer{
		Name: "controlplane",
		Files: []layer.File{
			{Path: authenticationPath, Content: authentication},
			{Path: admissionPath, Content: admission},
			{Path: schedulerPath, Content: []byte(schedulerConfig)},
			{Path: controllerManagerConf, Content: kube.Kubeconfig(c, "kube-controller-manager.service", "controller-manager")},
			{Path: schedulerConf, Content: kube.Kubeconfig(c, "kube-scheduler.service", "scheduler")},
		},
		Units: []layer.Unit{
			unit("kube-apiserver", apiServerUnit, apiServerFlags(c)),
			unit("kube-controller-manager", controllerManagerUnit, controllerManagerFlags(c)),
			unit("kube-scheduler", schedulerUnit, schedulerFlags(c)),
		},
		Users: []layer.User{
			{Name: "kube-apiserver", ID: apiServerID, Comment: "Kubernetes API"},
			{Name: "kube-controller-manager", ID: controllerManagerID, Comment: "Kubernetes controllers"},
			{Name: "kube-scheduler", ID: schedulerID, Comment: "Kubernetes scheduler"},
		},
		Components: []string{"kubernetes"},
		Listeners:  listeners(c),
	}
	if *c.Def.Features.AuditLog {
		l.Files = append(l.Files, layer.File{Path: auditPolicyPath, Content: auditPolicy})
	}
	return l
}

// encryption hands over the key of Secrets at rest, where identities have one.
func encryption(c *cluster.Cluster) string {
	if !*c.Def.Features.Encryption {
		return ""
	}
	return "LoadCredential=encryption.yaml:/etc/kubernetes/encryption.yaml\n"
}

func listeners(c *cluster.Cluster) []layer.Listener {
	api := "the Kubernetes API; closed outside the mesh and the pods"
	if c.Def.API.Public {
		api = "the Kubernetes API, open outside the mesh"
	}
	return []layer.Listener{
		{Program: "kube-apiserver", Address: "all", Port: c.Def.API.Port, Proto: "tcp", Purpose: api, On: "controllers"},
		{Program: "kube-controller-manager", Address: "loopback", Port: controllerManagerPort, Proto: "tcp", Purpose: "health and metrics", On: "controllers"},
		{Program: "kube-scheduler", Address: "loopback", Port: schedulerPort, Proto: "tcp", Purpose: "health and metrics", On: "controllers"},
	}
}

// schedulerConfig only says what flags cannot.
const schedulerConfig = `apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection:
  kubeconfig: ` + schedulerConf + `
leaderElection:
  leaderElect: true
enableProfiling: false
`
