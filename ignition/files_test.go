package ignition_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// TestFiles holds the list of files of each kind of node, and the content of
// all that is not made of keys.
func TestFiles(t *testing.T) {
	for _, tc := range []struct {
		world *world
		node  string
	}{
		{shipped(t, "prod"), "master0"}, {shipped(t, "prod"), "edge0"}, {shipped(t, "prod"), "worker9"}, {shipped(t, "prod"), "spare0"},
		{every(t), "ctl-1"}, {every(t), "w1"},
	} {
		id := tc.world.identity(t, tc.node)
		t.Run(id.Cluster+"/"+tc.node, func(t *testing.T) {
			var list, content strings.Builder
			for _, f := range id.Files {
				where := "bundle"
				if f.Early {
					where = "early"
				}
				fmt.Fprintf(&list, "%04o %-11s %-6s %s\n", f.Mode, f.Owner, where, f.Path)
				if strings.Contains(string(f.Data), "-----BEGIN") && !strings.Contains(f.Path, "/hosts/") || f.Path == "/etc/kubernetes/encryption.yaml" {
					continue
				}
				text, _, _ := strings.Cut(string(f.Data), "-----BEGIN")
				fmt.Fprintf(&content, "==> %s <==\n%s\n", f.Path, text)
			}
			for _, u := range id.Units {
				fmt.Fprintf(&content, "==> unit %s, enabled: %v <==\n%s\n", u.Name, u.Enabled, u.Content)
			}
			for _, u := range id.Users {
				fmt.Fprintf(&content, "==> user %s <==\n%s\n", u.Name, strings.Join(u.SSHKeys, "\n"))
			}
			golden.Check(t, filepath.Join("testdata", id.Cluster+"-"+tc.node+".files"), []byte(list.String()))
			golden.Check(t, filepath.Join("testdata", id.Cluster+"-"+tc.node+".content"), []byte(content.String()))
		})
	}
}

// What a tool writes by itself can be read in its config, and so in logs.
func TestEarlyFilesHoldNoSecrets(t *testing.T) {
	for _, id := range append(identities(t), everything(t)) {
		secrets := leaks(t, id)
		for _, f := range id.Files {
			if found := leaked(secrets, string(f.Data)); f.Early && len(found) > 0 {
				t.Errorf("%s: %s holds the secrets of %q", id.Node, f.Path, found)
			}
			if found := leaked(secrets, string(f.Data)); len(found) > 0 && f.Mode != 0o600 {
				t.Errorf("%s: %s holds secrets and has mode %v", id.Node, f.Path, f.Mode)
			}
		}
		out := outputs(t, id)
		for _, name := range []string{ignition.NameUserData, ignition.NameMetaData, ignition.NameNetworkData} {
			if found := leaked(secrets, string(out[name])); len(found) > 0 {
				t.Errorf("%s: %s holds the secrets of %q", id.Node, name, found)
			}
		}
	}
}
