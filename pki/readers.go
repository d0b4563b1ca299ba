package pki

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxRecipients bounds the size of recipients.txt in bytes.
const maxRecipients = 1 << 20

// ensureReaders finds out to whom private keys are encrypted, and when that
// has changed encrypts everything in the store again. Every file says by
// itself to whom it is encrypted, so a run that is cut off can be repeated,
// also by someone who is no longer among them.
func (r *run) ensureReaders(ctx context.Context) error {
	s := r.s
	path := filepath.Join(s.dir, recipientsFile)
	data, err := atomicfile.ReadFile(path, maxRecipients)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("key store: %w", err)
	}
	isNew := err != nil
	lines := s.c.Def.PKI.Recipients
	switch {
	case len(lines) > 0:
	case !isNew: // the definition names none: those of the store stay
		lines = recipientLines(string(data))
	default:
		if lines, err = r.ownRecipients(ctx); err != nil {
			return err
		}
	}
	if r.readers, err = newReaders(lines); err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	if len(r.readers.lines) == 0 {
		return fmt.Errorf("key store: %s names no recipients", path)
	}
	text := recipientsText(r.readers.lines)
	same := string(data) == text
	if err := r.reencrypt(!same); err != nil || same {
		return err
	}
	if err := atomicfile.Write(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	return nil
}

func recipientsText(lines []string) string {
	return "# Who can read the private keys of this store: age recipients and SSH public keys.\n" +
		"# Written by ingot; to change them, set pki.recipients in the definition.\n" + strings.Join(lines, "\n") + "\n"
}

func recipientLines(text string) []string {
	var out []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && !strings.HasPrefix(l, "#") {
			out = append(out, l)
		}
	}
	return out
}

// ownRecipients gives the recipients of the user's own identity, which is
// made on first use.
func (r *run) ownRecipients(ctx context.Context) ([]string, error) {
	s := r.s
	if s.o.IdentityFile == "" {
		made, err := s.ensureIdentity(ctx)
		if err != nil {
			return nil, err
		}
		if made {
			r.did(Change{Holder: "identity " + s.identityPath(), Action: Made,
				Reason: "the definition names no recipients; keep a copy of it in a safe place, nothing else opens the private keys"})
		}
	}
	ids, err := s.identities()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, id := range ids {
		line, err := recipientOf(id)
		if err != nil {
			return nil, fmt.Errorf("key store: %q: %w", s.identityPath(), err)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// reencrypt encrypts every file to the readers that is not yet. Those of nodes
// are left out while the list is the same: a run looks at them anyway.
func (r *run) reencrypt(nodes bool) error {
	holders, err := r.s.holders()
	if err != nil {
		return err
	}
	for _, holder := range holders {
		if !nodes && strings.HasPrefix(holder, nodesDir) {
			continue
		}
		h, err := r.s.read(holder)
		if err != nil {
			return err
		}
		if h.sealed == nil || h.readers == r.readers.fingerprint {
			continue
		}
		sec, err := r.s.open(h)
		if err != nil {
			return err
		}
		if err := r.save(holder, h.clear, sec); err != nil {
			return err
		}
		r.did(Change{Holder: title(holder), Action: Reencrypted, Reason: "the recipients have changed"})
	}
	return nil
}

// holders lists all files of the store: the authorities and other shared ones
// first, then nodes and admins by name.
func (s *Store) holders() ([]string, error) {
	var out []string
	for _, a := range Authorities() {
		out = append(out, authoritiesDir+string(a))
	}
	out = append(out, serviceAccount, encryption)
	var there []string
	for _, holder := range out {
		if _, err := os.Lstat(s.path(holder)); err == nil {
			there = append(there, holder)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("key store: %w", err)
		}
	}
	for _, dir := range []string{nodesDir, adminsDir} {
		files, err := os.ReadDir(filepath.Join(s.dir, dir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("key store: %w", err)
		}
		for _, f := range files { // sorted by name
			if name, ok := strings.CutSuffix(f.Name(), suffix); ok && validName(name) {
				there = append(there, dir+name)
			}
		}
	}
	return there, nil
}
