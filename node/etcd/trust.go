package etcd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Where certificates are, below the root.
const (
	pkiDir      = "etc/etcd/pki"
	imageCAPath = "usr/lib/ingot/pki/etcd.crt"
)

// trust is whom this node believes, and how it shows who it is.
type trust struct {
	client *tls.Config // towards etcd's clients' port
	peer   *tls.Config // towards etcd's peers' port, and at its own
}

// readTrust reads the certificates of the authority etcd. They are read each
// time that they are needed: they are renewed under a running program.
func readTrust(root string) (*trust, error) {
	ca, err := atomicfile.ReadFile(filepath.Join(root, pkiDir, "ca.crt"), maxFile)
	if err != nil {
		return nil, err
	}
	image, err := atomicfile.ReadFile(filepath.Join(root, imageCAPath), maxFile)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(bytes.TrimSpace(ca), bytes.TrimSpace(image)) {
		return nil, errors.New("the authority etcd of the identity is not that of the image")
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("reading %q: no certificate in it", filepath.Join(pkiDir, "ca.crt"))
	}
	config := func(stem string) (*tls.Config, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(root, pkiDir, stem+".crt"), filepath.Join(root, pkiDir, stem+".key"))
		if err != nil {
			return nil, fmt.Errorf("reading certificate %s of etcd: %w", stem, withoutPath(err))
		}
		return &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair},
			RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		}, nil
	}
	var t trust
	if t.client, err = config("server"); err != nil {
		return nil, err
	}
	if t.peer, err = config("peer"); err != nil {
		return nil, err
	}
	return &t, nil
}

// withoutPath is the cause of an error of a file.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
