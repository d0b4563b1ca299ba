package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need/ocean"
	"github.com/ingot-k8s/ingot/internal/need/prism"
	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestPublishDigitalOcean runs the program against an account of its own, by
// DigitalOcean's own description, and a real S3 service.
func TestPublishDigitalOcean(t *testing.T) {
	description := prism.DigitalOcean(t)
	service := s3.Start(t)
	account := ocean.New(t)
	account.Slow = 0
	account.Reserved["192.0.2.10"] = 0
	server := httptest.NewServer(prism.Proxy(t, description, account))
	t.Cleanup(server.Close) // the scripts run after this function
	p := params(filepath.Join("testdata", "digitalocean"))
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		for k, v := range map[string]string{
			"DIGITALOCEAN_API_URL": server.URL, "TOKEN": ocean.Token, "S3": service.URL, "ACCESS": s3.AccessKey, "SECRET": s3.SecretKey,
		} {
			env.Setenv(k, v)
		}
		return fakeBake(env.WorkDir, "sea")
	}
	testscript.Run(t, p)
}

// fakeBake writes what a bake leaves in out/, with a disk of a few bytes.
func fakeBake(dir, name string) error {
	c, _, err := cluster.Load(filepath.Join(dir, "clusters", name, "cluster.yaml"))
	if err != nil {
		return err
	}
	definition, err := builder.DefinitionSum(c)
	if err != nil {
		return err
	}
	data := []byte("a disk, as far as an upload goes")
	sum := sha256.Sum256(data)
	m := &builder.Manifest{
		Format: builder.ManifestFormat, Cluster: name, ID: "0123456789ab", Date: time.Unix(1e9, 0).UTC(), Targets: c.Def.Image.Targets,
		Inputs: builder.Inputs{Definition: definition},
		Files:  []builder.Output{{Name: name + "-0123456789ab.raw.gz", Format: builder.RawGZ, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}},
	}
	text, err := m.Encode()
	if err != nil {
		return err
	}
	images := filepath.Join(dir, "out", name, "images")
	if err := os.MkdirAll(images, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(images, builder.ManifestFile), text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(images, m.Files[0].Name), data, 0o644)
}
