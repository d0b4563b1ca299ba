package controlplane_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/controlplane"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

func TestLayer(t *testing.T) { sample.Golden(t, controlplane.Layer) }

func TestUnits(t *testing.T) {
	for _, name := range sample.Names() {
		sample.Verify(t, controlplane.Layer(sample.Cluster(t, name)))
	}
	l := controlplane.Layer(sample.Cluster(t, "prod"))
	for _, unit := range []string{"kube-apiserver.service", "kube-controller-manager.service", "kube-scheduler.service"} {
		sample.Exposure(t, l, unit, 1.9)
	}
}

// TestOwnFlags: a definition cannot set again what is set here.
func TestOwnFlags(t *testing.T) {
	sample.OwnFlags(t, controlplane.Layer, "kube-apiserver.service", "apiserver", cluster.OwnFlags("apiserver"),
		"audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize", "goaway-chance", "shutdown-delay-duration",
		"service-account-extend-token-expiration")
	sample.OwnFlags(t, controlplane.Layer, "kube-controller-manager.service", "controllerManager", cluster.OwnFlags("controllerManager"))
	sample.OwnFlags(t, controlplane.Layer, "kube-scheduler.service", "scheduler", cluster.OwnFlags("scheduler"))
}

// TestKnownFlags asks the commands themselves.
func TestKnownFlags(t *testing.T) {
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		sample.KnownFlags(t, controlplane.Layer, name+".service", name)
	}
}

func unit(t *testing.T, c *cluster.Cluster, name string) string {
	t.Helper()
	return string(sample.File(t, controlplane.Layer(c), "/usr/lib/systemd/system/"+name))
}

// TestFeatures: what is off leaves no trace.
func TestFeatures(t *testing.T) {
	off := false
	c := sample.Parse(t, "")
	for _, word := range []string{"audit-log-path", "audit-policy-file", "audit-log-maxage", "encryption"} {
		if !strings.Contains(unit(t, c, "kube-apiserver.service"), word) {
			t.Errorf("with the features on there is no %s", word)
		}
	}
	c.Def.Features.AuditLog, c.Def.Features.Encryption = &off, &off
	for _, word := range []string{"audit-log", "audit-policy-file", "encryption"} {
		if strings.Contains(unit(t, c, "kube-apiserver.service"), word) {
			t.Errorf("with the features off there is %s", word)
		}
	}
}

// TestOpenIDConnect: kube-apiserver does not start with both.
func TestOpenIDConnect(t *testing.T) {
	c := sample.Parse(t, "")
	c.Def.Kubernetes.ExtraArgs.APIServer = map[string]string{"oidc-issuer-url": "https://id.example.com"}
	flags := sample.Flags(t, controlplane.Layer(c), "kube-apiserver.service")
	if slices.Contains(flags, "authentication-config") || !slices.Contains(flags, "oidc-issuer-url") || !slices.Contains(flags, "anonymous-auth") {
		t.Errorf("flags: %q", flags)
	}
}

// TestKeysStayRoots: no service is told of a private key but by way of its own
// credentials.
func TestKeysStayRoots(t *testing.T) {
	for _, name := range sample.Names() {
		l := controlplane.Layer(sample.Cluster(t, name))
		for _, u := range l.Units {
			for line := range strings.Lines(u.Content) {
				if strings.Contains(line, ".key") && !strings.HasPrefix(line, "LoadCredential=") && !strings.Contains(line, "=${CREDENTIALS_DIRECTORY}/") {
					t.Errorf("%s: %s: %s", name, u.Name, line)
				}
			}
		}
		for _, f := range l.Files {
			for line := range strings.Lines(string(f.Content)) {
				if strings.Contains(line, ".key") && !strings.Contains(line, ": /run/credentials/") {
					t.Errorf("%s: %s: %s", name, f.Path, line)
				}
			}
		}
	}
}
