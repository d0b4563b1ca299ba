package pki

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// withRecipients adds recipients to the small cluster.
func withRecipients(lines ...string) string {
	return small + fmt.Sprintf("pki: {recipients: [\"%s\"]}\n", strings.Join(lines, `", "`))
}

// ageIdentity makes an age identity file.
func ageIdentity(t testing.TB) (file, recipient string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return secretFile(t, id.String()+"\n"), id.Recipient().String()
}

// sshIdentity makes an OpenSSH private key file, with a passphrase if not empty.
func sshIdentity(t testing.TB, passphrase string) (file, recipient string) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	sshPub, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return secretFile(t, string(pem.EncodeToMemory(block))), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPub)))
}

func secretFile(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecipients(t *testing.T) {
	alice, aliceKey := ageIdentity(t)
	bob, bobKey := sshIdentity(t, "")
	f := newFixture(t, withRecipients(aliceKey, bobKey+" bob@example.com"))
	f.ensure()
	if _, err := os.Stat(f.config); !errors.Is(err, fs.ErrNotExist) {
		t.Error("an identity was made though the definition names recipients")
	}
	for who, file := range map[string]string{"alice": alice, "bob": bob} {
		f.reopenAs(file)
		if _, err := f.Material("m0"); err != nil {
			t.Errorf("%s cannot read: %v", who, err)
		}
	}
	eve, _ := ageIdentity(t)
	f.reopenAs(eve)
	_, err := f.Material("m0")
	if err == nil || !strings.Contains(err.Error(), f.path("nodes/m0")) || !strings.Contains(err.Error(), eve) || !strings.Contains(err.Error(), "none of those that it is encrypted to") {
		t.Errorf("a wrong identity gives: %v", err)
	}
	if got := f.ensure(); len(got) > 0 { // nothing to issue: nothing to decrypt
		t.Errorf("changes: %q", got)
	}
	before := snapshot(t, f.c.Dir)
	f.edit("192.0.2.10", "192.0.2.11")
	f.reopenAs(eve)
	if _, err := f.Ensure(context.Background(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "none of those that it is encrypted to") {
		t.Errorf("a run with the wrong identity gives: %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Error("a run with the wrong identity changed the folder")
	}
}

func (f *fixture) reopenAs(identity string) {
	f.t.Helper()
	s, err := Open(f.c, Options{ConfigDir: f.config, Now: f.o.Now, IdentityFile: identity})
	if err != nil {
		f.t.Fatal(err)
	}
	f.Store = s
}

// Taking oneself off the recipients works, also when the run was cut off.
func TestRecipientsChange(t *testing.T) {
	alice, aliceKey := ageIdentity(t)
	bob, bobKey := ageIdentity(t)
	f := newFixture(t, withRecipients(aliceKey))
	f.reopenAs(alice)
	f.ensure()
	if _, _, err := f.Admin(context.Background(), "carol"); err != nil {
		t.Fatal(err)
	}
	f.edit(aliceKey, bobKey, "  - {name: w0, roles: [worker]}\n", "")
	f.reopenAs(alice)

	// A run that was killed: some files are converted, the list is not written.
	r := &run{s: f.Store}
	var err error
	if r.readers, err = newReaders([]string{bobKey}); err != nil {
		t.Fatal(err)
	}
	for _, holder := range []string{"authorities/etcd", "nodes/m0"} {
		h, err := f.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		sec, err := f.open(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.save(holder, h.clear, sec); err != nil {
			t.Fatal(err)
		}
	}
	got := strings.Join(f.ensure(), "\n")
	for _, want := range []string{"authority kubernetes", "authority front-proxy", "service account key", "encryption key", "node w0", "admin carol"} {
		if !strings.Contains(got, want+": encrypted again: the recipients have changed") {
			t.Errorf("%s was not encrypted again:\n%s", want, got)
		}
	}
	f.reopenAs(bob)
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("a second run: %q", got)
	}
	if _, err := f.Material("m0"); err != nil {
		t.Error(err)
	}
	holders, err := f.holders()
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range holders {
		h, err := f.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.open(h); err != nil {
			t.Error(err)
		}
	}
}

// A file that is encrypted to others than the list says, as after a merge in
// version control, is encrypted again too.
func TestRecipientsMerged(t *testing.T) {
	alice, aliceKey := ageIdentity(t)
	_, bobKey := ageIdentity(t)
	f := newFixture(t, withRecipients(aliceKey, bobKey))
	f.ensure()
	f.reopenAs(alice)
	var want []string
	for _, holder := range []string{"authorities/etcd", "encryption", "nodes/w0"} {
		h, err := f.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		sec, err := f.open(h)
		if err != nil {
			t.Fatal(err)
		}
		r := &run{s: f.Store}
		if r.readers, err = newReaders([]string{aliceKey}); err != nil {
			t.Fatal(err)
		}
		if err := r.save(holder, h.clear, sec); err != nil {
			t.Fatal(err)
		}
		want = append(want, title(holder)+": encrypted again: the recipients have changed")
	}
	if got := f.ensure(); !slices.Equal(got, want) {
		t.Errorf("changes:\n got %q\nwant %q", got, want)
	}
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("a second run: %q", got)
	}
}

// Without recipients in the definition, those of the store stay.
func TestRecipientsKept(t *testing.T) {
	_, aliceKey := ageIdentity(t)
	f := newFixture(t, withRecipients(aliceKey))
	f.ensure()
	f.reopen(f.c.Dir, small, now)
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("changes: %q", got)
	}
}
