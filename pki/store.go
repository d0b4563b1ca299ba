package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Dir is the name of the key store's folder beside cluster.yaml.
const Dir = "pki"

// Places in the store.
const (
	authoritiesDir = "authorities/"
	nodesDir       = "nodes/"
	adminsDir      = "admins/"
	serviceAccount = "service-account"
	encryption     = "encryption"
	recipientsFile = "recipients.txt"
	lockFile       = ".lock"
	suffix         = ".pem"
)

// Names of entries that are not certificates of a request.
const (
	authorityEntry = "authority"
	meshEntry      = "mesh"
	publicEntry    = "public key"
	keyEntry       = "key"
)

// Options say how a store is opened.
type Options struct {
	// IdentityFile reads the private keys: an age identity file or an
	// unencrypted SSH private key. Empty means identity.txt in ConfigDir.
	IdentityFile string
	// Now is the time of the run; the zero time means the clock's.
	Now time.Time
	// ConfigDir is the user's config folder; empty means os.UserConfigDir()/ingot.
	ConfigDir string
	// Log gets warnings, such as of an authority near its end; nil drops them.
	Log *slog.Logger
}

// Store is a cluster's key store: the folder pki beside its definition. Its
// methods may be called concurrently, by several processes too: what changes
// the store holds its lock, and files are replaced as a whole.
type Store struct {
	c          *cluster.Cluster
	dir        string
	o          Options
	noConfig   error // why the user has no config folder, for those who need it
	identities func() ([]age.Identity, error)
	seen       *sync.Map // holder of an authority -> *seenAuthority: it is read with every node
}

// Open gives the key store of a cluster. It reads and makes nothing yet.
func Open(c *cluster.Cluster, o Options) (*Store, error) {
	if p := c.Def.PKI; p.RenewBefore >= p.CertLifetime {
		return nil, fmt.Errorf("opening key store: pki.renewBefore (%s) is not shorter than pki.certLifetime (%s)", p.RenewBefore, p.CertLifetime)
	}
	var noConfig error
	if o.ConfigDir == "" {
		dir, err := os.UserConfigDir()
		if err != nil { // a service or a pipeline may have no HOME, and need none
			noConfig = fmt.Errorf("finding the config folder with the identity: %w", err)
		}
		o.ConfigDir = filepath.Join(dir, "ingot")
	}
	if o.Now.IsZero() {
		o.Now = time.Now() //nolint:forbidigo // certificates live by the real clock, never by the one of builds
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{c: c, dir: filepath.Join(c.Dir, Dir), o: o, noConfig: noConfig, seen: &sync.Map{}}
	var mu sync.Mutex
	var read []age.Identity
	s.identities = func() (_ []age.Identity, err error) { // a failed read may be tried again
		mu.Lock()
		defer mu.Unlock()
		if s.o.IdentityFile == "" && s.noConfig != nil {
			return nil, s.noConfig
		}
		if read == nil {
			read, err = readIdentities(s.identityPath())
		}
		return read, err
	}
	return s, nil
}

func (s *Store) identityPath() string {
	if s.o.IdentityFile != "" {
		return s.o.IdentityFile
	}
	return filepath.Join(s.o.ConfigDir, identityFile)
}

func (s *Store) path(holder string) string {
	return filepath.Join(s.dir, filepath.FromSlash(holder)+suffix)
}

// load reads the bytes of a holder file. errors.Is finds fs.ErrNotExist.
func (s *Store) load(holder string) ([]byte, error) {
	data, err := atomicfile.ReadFile(s.path(holder), maxHolder)
	if err != nil {
		return nil, fmt.Errorf("key store: %w", err)
	}
	return data, nil
}

// read reads and parses a holder file.
func (s *Store) read(holder string) (*holderFile, error) {
	data, err := s.load(holder)
	if err != nil {
		return nil, err
	}
	h, err := parseHolder(data, s.c.Def.Name, holder)
	if err != nil {
		return nil, fmt.Errorf("key store: %s: %w", s.path(holder), err)
	}
	return h, nil
}

// write replaces a holder file. Ciphertext and certificates may be read by
// all, but need not be.
func (s *Store) write(h *holderFile) error {
	if err := atomicfile.Write(s.path(h.holder), h.encode(), 0o600); err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	return nil
}

// open decrypts the private keys of a holder.
func (s *Store) open(h *holderFile) (secrets, error) {
	if h.sealed == nil {
		return nil, fmt.Errorf("key store: %s has no private keys", s.path(h.holder))
	}
	ids, err := s.identities()
	var sec secrets
	if err == nil {
		sec, err = unseal(h.sealed, ids, s.identityPath())
	}
	if err != nil {
		return nil, fmt.Errorf("key store: %s: %w; %s says who can open it", s.path(h.holder), err, filepath.Join(s.dir, recipientsFile))
	}
	return sec, nil
}

// cert parses a certificate of the clear part.
func (h *holderFile) cert(name string) (*x509.Certificate, error) {
	block, ok := h.find(name)
	if !ok {
		return nil, fmt.Errorf("no certificate %q in it", name)
	}
	if block.Type != pemCert {
		return nil, fmt.Errorf("%s is of PEM type %q, want %q", name, block.Type, pemCert)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: damaged: %w", name, err)
	}
	return cert, nil
}

// MeshPublicKey gives the public half of a node's tinc key, as one RSA PUBLIC
// KEY block. It decrypts nothing.
func (s *Store) MeshPublicKey(name string) ([]byte, error) {
	h, err := s.readNode(name)
	if err != nil {
		return nil, err
	}
	block, ok := h.find(meshEntry)
	if !ok || block.Type != pemRSAPublic {
		return nil, fmt.Errorf("key store: %s: no mesh key in it", s.path(h.holder))
	}
	return pem.EncodeToMemory(block), nil
}

func (s *Store) readNode(name string) (*holderFile, error) {
	if !validName(name) {
		return nil, fmt.Errorf("key store: %q is not the name of a node", name)
	}
	h, err := s.read(nodesDir + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: nothing has been issued for node %q yet", err, name)
	}
	return h, err
}

// validName reports whether a name can be a file of the store: lower-case
// letters, digits, dots and dashes, beginning and ending with a letter or digit.
func validName(name string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	return name != "" && len(name) <= 63 && strings.Trim(name, alnum+".-") == "" &&
		strings.Trim(name[:1]+name[len(name)-1:], alnum) == ""
}

// validMeshKey reports whether a key pair of the mesh is one.
func validMeshKey(public, private *pem.Block) bool {
	if public.Type != pemRSAPublic || private.Type != pemRSAKey {
		return false
	}
	key, err := x509.ParsePKCS1PrivateKey(private.Bytes)
	return err == nil && bytes.Equal(x509.MarshalPKCS1PublicKey(&key.PublicKey), public.Bytes)
}
