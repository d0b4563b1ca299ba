package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/ovf"
	"github.com/ingot-k8s/ingot/internal/need/vcsim"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/vmware/govmomi/simulator"
)

// TestPublishVSphere runs the program against the simulator of a vCenter, each
// script against one of its own.
func TestPublishVSphere(t *testing.T) {
	log.SetOutput(io.Discard) // the simulator's
	p := params(filepath.Join("testdata", "vsphere"))
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		model := simulator.VPX()
		model.Host, model.ClusterHost = 0, 1
		server, err := vcsim.Start(model)
		if err != nil {
			return err
		}
		env.Defer(server.Close)
		env.Setenv("GOVC_USERNAME", vcsim.User)
		env.Setenv("GOVC_PASSWORD", vcsim.Password)
		env.Setenv("THUMBPRINT", server.Thumbprint())
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
		if err := os.WriteFile(filepath.Join(env.WorkDir, "clusters", "hill", "vcenter.pem"), ca, 0o644); err != nil {
			return err
		}
		file := filepath.Join(env.WorkDir, "clusters", "hill", "cluster.yaml")
		definition, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file, bytes.ReplaceAll(definition, []byte("SERVER"), []byte(server.Address())), 0o644); err != nil {
			return err
		}
		return fakeOVA(env.WorkDir, "hill")
	}
	testscript.Run(t, p)
}

// fakeOVA writes what a bake leaves in out/ for vSphere, with an empty disk.
func fakeOVA(dir, name string) error {
	const id = "0123456789ab"
	c, _, err := cluster.Load(filepath.Join(dir, "clusters", name, "cluster.yaml"))
	if err != nil {
		return err
	}
	definition, err := builder.DefinitionSum(c)
	if err != nil {
		return err
	}
	folder := filepath.Join(dir, "out", name, "images")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	out := builder.Output{Name: name + "-" + id + ".ova", Format: builder.OVA}
	path := filepath.Join(folder, out.Name)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	opts := images.OVAOptions{Machine: ovf.Machine{Name: name + "-" + id}}
	if _, err := images.WriteOVA(context.Background(), f, images.Bytes(make([]byte, 1<<20)), opts); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	out.SHA256, out.Size = hex.EncodeToString(sum[:]), int64(len(data))
	m := &builder.Manifest{
		Format: builder.ManifestFormat, Cluster: name, ID: id, Date: time.Unix(1e9, 0).UTC(), Targets: c.Def.Image.Targets,
		Inputs: builder.Inputs{Definition: definition}, Files: []builder.Output{out},
	}
	text, err := m.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, builder.ManifestFile), text, 0o644)
}
