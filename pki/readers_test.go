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

func TestIdentityFiles(t *testing.T) {
	good, _ := ageIdentity(t)
	locked, _ := sshIdentity(t, "secret")
	open := secretFile(t, "AGE-SECRET-KEY-1\n")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(good, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ file, want string }{
		{locked, "the SSH key has a passphrase"},
		{open, "its mode 0644 lets others read it; run: chmod 600 " + open},
		{link, "it is a symbolic link"},
		{filepath.Join(t.TempDir(), "none"), "there is no "},
		{secretFile(t, ""), "neither an age identity file"},
		{secretFile(t, "AGE-SECRET-KEY-1NOTONE\n"), "neither an age identity file"},
		{secretFile(t, "-----BEGIN AGE ENCRYPTED FILE-----\n"), "it is itself encrypted"},
		{secretFile(t, "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), "not an SSH private key"},
	} {
		_, err := readIdentities(test.file)
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.file) {
			t.Errorf("got %v, want %q", err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "NOTONE") {
			t.Errorf("the error shows the content: %v", err)
		}
	}
	if _, err := newReaders([]string{"age1nonsense"}); err == nil || !strings.Contains(err.Error(), `recipient "age1nonsense" is neither`) {
		t.Errorf("a bad recipient gives %v", err)
	}
}

// The first two clusters of a user, made at once, get one identity.
func TestIdentityMadeOnce(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	errs := make(chan error)
	const runs = 8
	for range runs {
		go func() {
			s := &Store{o: Options{ConfigDir: config, Now: now}}
			_, err := s.ensureIdentity(context.Background())
			errs <- err
		}()
	}
	for range runs {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]fs.FileMode{"": 0o700 | fs.ModeDir, identityFile: 0o600} {
		info, err := os.Stat(filepath.Join(config, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: mode %v, want %v (error %v)", name, info.Mode(), want, err)
		}
	}
	if _, err := readIdentities(filepath.Join(config, identityFile)); err != nil {
		t.Error(err)
	}
}
