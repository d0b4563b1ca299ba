package pki

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"golang.org/x/crypto/ssh"
)

// identityFile is the name of the age identity in the user's config folder.
const identityFile = "identity.txt"

// ErrWrongIdentity says that private keys are encrypted to others.
var ErrWrongIdentity = errors.New("none of those that it is encrypted to")

// maxIdentity bounds the size of an identity file in bytes.
const maxIdentity = 64 << 10

// readers are those who can read the private keys of a store.
type readers struct {
	lines       []string // canonical recipients, sorted
	fingerprint string
	age         []age.Recipient
}

// newReaders parses recipients: age's own (age1...) and SSH public keys.
func newReaders(lines []string) (*readers, error) {
	r := &readers{}
	for _, l := range lines {
		fields := strings.Fields(l)
		if len(fields) == 0 {
			return nil, errors.New("reading recipients: an empty line")
		}
		l = fields[0]
		if strings.HasPrefix(l, "ssh-") && len(fields) > 1 {
			l += " " + fields[1] // without the comment
		}
		r.lines = append(r.lines, l)
	}
	slices.Sort(r.lines)
	r.lines = slices.Compact(r.lines)
	for _, l := range r.lines {
		rec, err := parseRecipient(l)
		if err != nil {
			return nil, err
		}
		r.age = append(r.age, rec)
	}
	sum := sha256.Sum256([]byte(strings.Join(r.lines, "\n")))
	r.fingerprint = hex.EncodeToString(sum[:16])
	return r, nil
}

func parseRecipient(line string) (age.Recipient, error) {
	if strings.HasPrefix(line, "ssh-") {
		rec, err := agessh.ParseRecipient(line)
		if err != nil {
			return nil, fmt.Errorf("recipient %q: %w", line, err)
		}
		return rec, nil
	}
	recs, err := age.ParseRecipients(strings.NewReader(line))
	if err != nil || len(recs) != 1 {
		return nil, fmt.Errorf("recipient %q is neither an age recipient (age1...) nor an SSH public key (ssh-ed25519, ssh-rsa)", line)
	}
	return recs[0], nil
}

// seal encrypts private keys to the readers, armored.
func (r *readers) seal(s secrets) ([]byte, error) {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, r.age...)
	if err == nil {
		_, err = w.Write(s.encode())
	}
	if err == nil {
		err = errors.Join(w.Close(), a.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("encrypting private keys: %w", err)
	}
	return out.Bytes(), nil
}

// unseal decrypts private keys. known is what the identities are called in errors.
func unseal(sealed []byte, ids []age.Identity, known string) (secrets, error) {
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), ids...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, fmt.Errorf("the identity in %q is %w", known, ErrWrongIdentity)
	}
	if err != nil {
		return nil, fmt.Errorf("decrypting private keys: damaged: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxHolder))
	if err != nil {
		return nil, fmt.Errorf("decrypting private keys: damaged: %w", err)
	}
	return parseSecrets(data)
}

// readIdentities reads an age identity file or an unencrypted SSH private key.
func readIdentities(path string) ([]age.Identity, error) {
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading identity %q: its mode %04o lets others read it; run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := atomicfile.ReadFile(path, maxIdentity)
	if errors.Is(err, fs.ErrNotExist) { // not wrapped: what is missing is not in the store
		return nil, fmt.Errorf("reading identity: there is no %q", path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading identity: %w", err)
	}
	switch {
	case bytes.HasPrefix(data, []byte(armor.Header)), bytes.HasPrefix(data, []byte("age-encryption.org/")):
		return nil, fmt.Errorf("reading identity %q: it is itself encrypted; decrypt it first (age -d) into a file of mode 0600", path)
	case bytes.HasPrefix(data, []byte("-----BEGIN")):
		id, err := agessh.ParseIdentity(data)
		var locked *ssh.PassphraseMissingError
		if errors.As(err, &locked) {
			return nil, fmt.Errorf("reading identity %q: the SSH key has a passphrase; give an age identity, or a key without one", path)
		}
		if err != nil {
			return nil, fmt.Errorf("reading identity %q: not an SSH private key of type ed25519 or rsa", path)
		}
		return []age.Identity{id}, nil
	}
	ids, err := age.ParseIdentities(bytes.NewReader(data))
	if err != nil || len(ids) == 0 {
		return nil, fmt.Errorf("reading identity %q: neither an age identity file (AGE-SECRET-KEY-1...) nor an SSH private key", path)
	}
	return ids, nil
}

// recipientOf gives the public half of an identity as a recipient line.
func recipientOf(id age.Identity) (string, error) {
	switch id := id.(type) {
	case *age.X25519Identity:
		return id.Recipient().String(), nil
	case *age.HybridIdentity:
		return id.Recipient().String(), nil
	}
	return "", fmt.Errorf("an identity of type %T does not tell its recipient; name it in pki.recipients", id)
}

// ensureIdentity makes an age identity in the user's config folder, unless it
// is there, and says whether it made it. Two runs at once make one.
func (s *Store) ensureIdentity(ctx context.Context) (made bool, err error) {
	if s.noConfig != nil {
		return false, s.noConfig
	}
	path := filepath.Join(s.o.ConfigDir, identityFile)
	if _, err := os.Lstat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(s.o.ConfigDir, 0o700); err != nil {
		return false, fmt.Errorf("making identity: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(s.o.ConfigDir, ".lock"), s.waiting)
	if err != nil {
		return false, err
	}
	defer unlock()
	if _, err := os.Lstat(path); err == nil {
		return false, nil // another run was faster
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return false, fmt.Errorf("making identity: %w", err)
	}
	text := fmt.Sprintf("# made by ingot: reads the private keys of its clusters; keep a copy in a safe place\n# created: %s\n# public key: %s\n%s\n",
		stamp(s.o.Now), id.Recipient(), id)
	if err := atomicfile.Write(path, []byte(text), 0o600); err != nil {
		return false, fmt.Errorf("making identity: %w", err)
	}
	return true, nil
}
