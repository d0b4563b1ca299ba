package pki

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

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

// Pipelines and services have no home. They need none with an identity file,
// and none where nothing is decrypted.
func TestNoConfigFolder(t *testing.T) {
	alice, aliceKey := ageIdentity(t)
	f := newFixture(t, withRecipients(aliceKey))
	for _, name := range []string{"HOME", "XDG_CONFIG_HOME"} {
		t.Setenv(name, "")
	}
	reopen := func(identity string) {
		s, err := Open(f.c, Options{Now: now, IdentityFile: identity})
		if err != nil {
			t.Fatal(err)
		}
		f.Store = s
	}
	reopen(alice)
	f.ensure()
	if _, err := f.Material("m0"); err != nil {
		t.Error(err)
	}
	reopen("")
	if _, err := f.Status(now); err != nil {
		t.Error(err)
	}
	if _, err := f.Material("m0"); err == nil || !strings.Contains(err.Error(), "finding the config folder") {
		t.Errorf("reading keys without an identity gives: %v", err)
	}
	f.c = define(t, t.TempDir(), small)
	reopen("")
	if _, err := f.Ensure(t.Context(), EnsureOptions{}); err == nil || !strings.Contains(err.Error(), "finding the config folder") {
		t.Errorf("making an identity nowhere gives: %v", err)
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
