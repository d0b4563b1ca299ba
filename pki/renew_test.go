package pki

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReissue changes one thing at a time and looks at what is issued again,
// and why.
func TestReissue(t *testing.T) {
	tests := []struct {
		name string
		edit []string // of the definition
		at   time.Duration
		want []string
	}{
		{
			name: "address",
			edit: []string{"192.0.2.10", "192.0.2.99"},
			want: []string{
				"node m0: apiserver issued again: SAN 192.0.2.99 missing; SAN 192.0.2.10 not wanted",
				"node m0: kubelet-server issued again: SAN 192.0.2.99 missing; SAN 192.0.2.10 not wanted",
			},
		},
		{
			name: "role",
			edit: []string{"{name: m0, roles: [controller]", "{name: m0, roles: [worker]", "{name: w0, roles: [worker]", "{name: w0, roles: [controller]"},
			want: []string{
				"node m0: etcd-server removed: its roles no longer need it",
				"node m0: etcd-peer removed: its roles no longer need it",
				"node m0: apiserver removed: its roles no longer need it",
				"node m0: apiserver-kubelet-client removed: its roles no longer need it",
				"node m0: apiserver-etcd-client removed: its roles no longer need it",
				"node m0: front-proxy-client removed: its roles no longer need it",
				"node m0: controller-manager removed: its roles no longer need it",
				"node m0: scheduler removed: its roles no longer need it",
				"node w0: etcd-server issued: missing",
				"node w0: etcd-peer issued: missing",
				"node w0: apiserver issued: missing",
				"node w0: apiserver-kubelet-client issued: missing",
				"node w0: apiserver-etcd-client issued: missing",
				"node w0: front-proxy-client issued: missing",
				"node w0: controller-manager issued: missing",
				"node w0: scheduler issued: missing",
			},
		},
		{name: "not yet near the end", at: 300 * 24 * time.Hour},
		{
			name: "node added",
			edit: []string{"{name: w0, roles: [worker]}", "{name: w0, roles: [worker]}\n  - {name: w1, roles: [worker]}"},
			want: []string{"node w1: mesh key and 5 certificates issued: new"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, small)
			f.ensure()
			mesh := f.meshKeys("m0", "w0")
			if test.edit != nil {
				f.edit(test.edit...)
			}
			f.reopen(f.c.Dir, f.text, now.Add(test.at))
			if got := f.ensure(); !slices.Equal(got, test.want) {
				t.Errorf("changes:\n got %q\nwant %q", got, test.want)
			}
			before := snapshot(t, f.c.Dir)
			if got := f.ensure(); len(got) > 0 || !maps.Equal(before, snapshot(t, f.c.Dir)) {
				t.Errorf("a second run changed %q", got)
			}
			if after := f.meshKeys("m0", "w0"); !maps.Equal(mesh, after) {
				t.Error("mesh keys have changed")
			}
		})
	}
}

// meshKeys gives the private mesh keys of nodes, by name.
func (f *fixture) meshKeys(nodes ...string) map[string]string {
	f.t.Helper()
	out := map[string]string{}
	for _, name := range nodes {
		m, err := f.Material(name)
		if err != nil {
			f.t.Fatal(err)
		}
		out[name] = string(m.Mesh.PrivatePEM)
	}
	return out
}

func TestRenewNearEnd(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	old, err := f.Material("m0")
	if err != nil {
		t.Fatal(err)
	}
	ends := now.Add(f.lifetime())
	for _, at := range []time.Time{ends.Add(-f.renewBefore() + time.Minute), ends.Add(time.Hour).Add(f.lifetime())} {
		f.reopen(f.c.Dir, f.text, at)
		for _, c := range f.mustEnsure() {
			if c.Action != Reissued || !strings.HasPrefix(c.Reason, "end") {
				t.Errorf("%s", c)
			}
		}
		renewed, err := f.Material("m0")
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range renewed.Credentials {
			if !c.Cert.NotAfter.Equal(at.Add(f.lifetime())) {
				t.Errorf("%s ends on %s", c.Name, c.Cert.NotAfter)
			}
			if bytes.Equal(c.KeyPEM, old.Credentials[i].KeyPEM) {
				t.Errorf("%s has its old key", c.Name)
			}
		}
		if !bytes.Equal(renewed.Mesh.PrivatePEM, old.Mesh.PrivatePEM) || !bytes.Equal(renewed.ServiceAccountKeyPEM, old.ServiceAccountKeyPEM) ||
			!bytes.Equal(renewed.EncryptionKey, old.EncryptionKey) || !bytes.Equal(renewed.CAs[Etcd], old.CAs[Etcd]) {
			t.Error("a key that lives as long as the cluster has changed")
		}
	}
}

func TestKeyTypeChanged(t *testing.T) {
	f := newFixture(t, small+"pki: {keyType: ecdsa-p256}\n")
	f.ensure()
	f.edit("ecdsa-p256", "ecdsa-p384")
	got, err := f.Ensure(context.Background(), EnsureOptions{Nodes: []string{"w0"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 5 || got[0].Reason != "key is ecdsa-p256, not ecdsa-p384" {
		t.Errorf("changes: %q", texts(got))
	}
}

// An authority near its end bounds its certificates. That is said, and does
// not make every run issue them again.
func TestAuthorityNearEnd(t *testing.T) {
	f := newFixture(t, small+"pki: {caLifetime: 500d}\n")
	f.ensure()
	var log bytes.Buffer
	at := func(d time.Duration) {
		f.reopen(f.c.Dir, f.text, now.Add(d*24*time.Hour))
		log.Reset()
		f.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	}
	at(400)
	if got := f.ensure(); len(got) != 18 || !strings.HasPrefix(got[0], "node m0: etcd-server issued again: ended on ") {
		t.Errorf("after 400 days: %q", got)
	}
	for _, a := range Authorities() {
		if want := f.path(authoritiesDir + string(a)); !strings.Contains(log.String(), want) || !strings.Contains(log.String(), "in 100 days") {
			t.Errorf("no warning names %s: %s", want, log.String())
		}
	}
	m, err := f.Material("m0")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Credentials {
		if want := now.Add(500 * 24 * time.Hour); !c.Cert.NotAfter.Equal(want) {
			t.Errorf("%s ends on %s, its authority on %s", c.Name, c.Cert.NotAfter, want)
		}
	}
	at(490)
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("ten days before the end of the authorities: %q", got)
	}
	before := snapshot(t, f.c.Dir)
	at(500)
	_, err = f.Ensure(context.Background(), EnsureOptions{})
	if err == nil || !strings.Contains(err.Error(), "authorities/kubernetes.pem: the authority ended on 2028-04-03T12:00:00Z; to replace it, move ") {
		t.Errorf("an authority that has ended gives: %v", err)
	}
	at(-1)
	if _, err = f.Ensure(context.Background(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "is the clock right?") {
		t.Errorf("an authority of the future gives: %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("a run with an error changed the folder")
	}
}

// Certificates of an authority that was replaced by one of the same name are
// issued again; those of an authority with another name are foreign.
func TestOtherAuthority(t *testing.T) {
	f, other := newFixture(t, small), newFixture(t, small)
	f.config = other.config // one identity
	other.ensure()
	f.reopen(f.c.Dir, f.text, now)
	f.ensure()
	mesh := f.meshKeys("m0")
	data, err := os.ReadFile(other.path("authorities/etcd"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path("authorities/etcd"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"node m0: etcd-server issued again: issued by another authority with the same name",
		"node m0: etcd-peer issued again: issued by another authority with the same name",
		"node m0: apiserver-etcd-client issued again: issued by another authority with the same name",
	}
	if got := f.ensure(); !slices.Equal(got, want) {
		t.Errorf("changes:\n got %q\nwant %q", got, want)
	}
	if !maps.Equal(mesh, f.meshKeys("m0")) {
		t.Error("mesh keys have changed")
	}
}

func TestNodeRemoved(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	f.edit("  - {name: w0, roles: [worker]}\n", "")
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("changes: %q", got)
	}
	rows, err := f.Status(now)
	if err != nil {
		t.Fatal(err)
	}
	var gone int
	for _, r := range rows {
		if r.State == Undefined && r.Holder == "node w0" && r.Usage != "" {
			gone++
		}
	}
	if gone != 5 {
		t.Errorf("%d certificates are not in the definition, want 5", gone)
	}
}
