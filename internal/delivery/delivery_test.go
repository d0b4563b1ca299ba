package delivery

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
)

// load loads a definition with settings of publish.
func load(t *testing.T, settings string) *cluster.Cluster {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "cluster.yaml")
	server := httptest.NewTLSServer(nil) // has a certificate
	server.Close()
	put(t, filepath.Join(dir, "ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	put(t, file, "apiVersion: ingot/v1\nkind: Cluster\nname: sea\ndomain: sea.example.com\nimage: {targets: [digitalocean, esxi]}\n"+
		"publish: "+settings+"\nnodes:\n  - {name: m0, roles: [controller], address: 192.0.2.10}\n")
	c, _, err := cluster.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// env is an environment.
func env(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

// said expects an error, and advice with it; empty texts for none.
func said(t *testing.T, err error, text, advice string) {
	t.Helper()
	var e *Error
	if errors.As(err, &e) != (advice != "") || advice != "" && !strings.Contains(e.Advice(), advice) {
		t.Errorf("%v: want the advice %q", err, advice)
	}
	if (err == nil) != (text == "") || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

func TestDigitalOcean(t *testing.T) {
	c := load(t, "{digitalocean: {regions: [fra1, ams3], bucket: images}}")
	token := filepath.Join(t.TempDir(), "token")
	put(t, token, " of-file\n")
	keys := filepath.Join(t.TempDir(), "keys")
	put(t, keys, "access\nsecret\n")
	both := map[string]string{"DIGITALOCEAN_ACCESS_TOKEN": "of-environment", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
	for name, test := range map[string]struct {
		access         DigitalOcean
		upload, bucket bool
		token          string
		text, advice   string
	}{
		"environment":   {access: DigitalOcean{Getenv: env(both)}, upload: true, bucket: true, token: "of-environment"},
		"files":         {access: DigitalOcean{Getenv: env(both), TokenFile: token, KeyFile: keys}, upload: true, bucket: true, token: "of-file"},
		"nothing":       {access: DigitalOcean{Getenv: env(nil)}, text: "there is no token", advice: "--token-file"},
		"no file":       {access: DigitalOcean{Getenv: env(both), TokenFile: token + "x"}, text: token + "x"},
		"no keys":       {access: DigitalOcean{Getenv: env(nil), TokenFile: token}, upload: true, text: `no keys of the bucket "images"`, advice: "--s3-key-file"},
		"keys not used": {access: DigitalOcean{Getenv: env(nil), TokenFile: token}, token: "of-file"},
		"half a key":    {access: DigitalOcean{Getenv: env(nil), TokenFile: token, KeyFile: token}, upload: true, text: "it has 1 words"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := test.access.Config(c, Regions(c, nil), test.upload)
			said(t, err, test.text, test.advice)
			if err == nil && (got.Token != test.token || (got.Bucket != nil) != test.bucket) {
				t.Errorf("the token is %q, the bucket %v", got.Token, got.Bucket)
			}
			if strings.Contains(fmt.Sprint(err), "of-file") {
				t.Errorf("it tells the secret: %v", err)
			}
		})
	}
	if diff := cmp.Diff([]string{"nyc3"}, Regions(c, []string{"nyc3"})); diff != "" {
		t.Error(diff)
	}
}

func TestVSphere(t *testing.T) {
	c := load(t, "{vsphere: {server: 'https://vc.example.com', caFile: ca.pem}}")
	v := VSphere{Getenv: env(map[string]string{"GOVC_USERNAME": "u", "GOVC_PASSWORD": "p"})}
	got, err := v.Config(c)
	if err != nil || got.Credentials.User != "u" || got.Trust.CAFile != filepath.Join(c.Dir, "ca.pem") {
		t.Errorf("it is reached by %+v: %v", got, err)
	}
	v.Thumbprint = "00"
	if got, err = v.Config(c); err != nil || got.Trust.CAFile != "" || got.Trust.Thumbprint != "00" {
		t.Errorf("what is asked for does not go first: %+v, %v", got, err)
	}
	_, err = v.Config(load(t, "{}"))
	said(t, err, "has no publish.vsphere", "docs/how-to/esxi.md")
}

func TestFind(t *testing.T) {
	c := load(t, "{}")
	sum, err := builder.DefinitionSum(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change       func(m *builder.Manifest, file string)
		made         []builder.Output
		text, advice string
	}{
		"right":      {change: func(*builder.Manifest, string) {}},
		"cluster":    {change: func(m *builder.Manifest, _ string) { m.Cluster = "lake" }, text: `is of the cluster "lake"`},
		"target":     {change: func(m *builder.Manifest, _ string) { m.Targets = nil }, text: "was not made for digitalocean", advice: "image.targets"},
		"format":     {change: func(m *builder.Manifest, _ string) { m.Files = nil }, text: "there is no raw.gz", advice: "ingot images sea"},
		"made later": {change: func(m *builder.Manifest, _ string) { m.Files = nil }, made: []builder.Output{{Name: "sea.raw.gz", Format: builder.RawGZ, Size: 4}}},
		"definition": {change: func(m *builder.Manifest, _ string) { m.Inputs.Definition = "" }, text: "another definition", advice: "ingot images sea"},
		"file":       {change: func(_ *builder.Manifest, file string) { _ = os.Remove(file) }, text: "no such file", advice: "ingot images sea"},
		"size":       {change: func(_ *builder.Manifest, file string) { _ = os.Truncate(file, 1) }, text: "has 1 bytes, the manifest says 4", advice: "remove it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "sea.raw.gz")
			put(t, file, "disk")
			m := &builder.Manifest{
				Format: builder.ManifestFormat, Cluster: "sea", ID: "0123456789ab", Date: time.Unix(1e9, 0), Targets: []string{"digitalocean"},
				Inputs: builder.Inputs{Definition: sum}, Files: []builder.Output{{Name: "sea.raw.gz", Format: builder.RawGZ, Size: 4}},
			}
			test.change(m, file)
			text, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, builder.ManifestFile), string(text))
			got, err := Find(c, dir, "digitalocean", builder.RawGZ, test.made...)
			said(t, err, test.text, test.advice)
			if err == nil && (got.Path != file || got.ID != m.ID) {
				t.Errorf("got %+v", got)
			}
		})
	}
	_, err = Find(c, t.TempDir(), "digitalocean", builder.RawGZ)
	said(t, err, "no such file", "ingot images sea")
}
