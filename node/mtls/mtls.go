// Package mtls makes HTTP clients that prove who they are by a certificate, and
// believe only servers of one authority. They read both anew for each
// connection, so that they go on after certificates were renewed.
package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

const (
	maxPEM = 1 << 20 // bytes of a file of certificates
	// idle is how long a connection is kept that nothing uses. kube-apiserver
	// keeps it for three minutes (http.Server.IdleTimeout in k8s.io/apiserver).
	idle = 2 * time.Minute
	// patience is how long a connection may take to be made: slow machines take
	// seconds for a handshake.
	patience = 15 * time.Second
)

// Config names files, all of PEM.
type Config struct {
	Authority string // that signs the servers
	// Certificate and Key are the client's; empty for one that is nobody.
	Certificate, Key string
	// ServerName is the name that the server's certificate must have, whatever
	// address leads to it.
	ServerName string
}

// Client makes a client. Nothing is read or dialled before the first request.
func Client(cfg Config) *http.Client {
	base := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cfg.ServerName}
	if cfg.Certificate != "" {
		base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return pair(cfg.Certificate, cfg.Key)
		}
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		pool, err := authority(cfg.Authority)
		if err != nil {
			return nil, err
		}
		own := base.Clone()
		own.RootCAs = pool
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return (&tls.Dialer{Config: own}).DialContext(ctx, network, address)
	}
	return &http.Client{
		Transport: &http.Transport{DialTLSContext: dial, MaxIdleConnsPerHost: 2, IdleConnTimeout: idle},
		// A redirect would lead to who knows whom.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Reason is the cause of a request's error in a few words, without the URL,
// which the caller knows.
func Reason(err error) error {
	var unknown x509.UnknownAuthorityError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &unknown):
		return errors.New("what answers there has no certificate of this cluster")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	var network *net.OpError
	if errors.As(err, &network) && network.Err != nil {
		err = network.Err
	}
	var system *os.SyscallError
	if errors.As(err, &system) {
		err = system.Err
	}
	return err
}

func pair(certificate, key string) (*tls.Certificate, error) {
	certPEM, err := atomicfile.ReadFile(certificate, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate: %w", err)
	}
	keyPEM, err := atomicfile.ReadFile(key, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the key: %w", err)
	}
	p, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", filepath.Base(certificate), err)
	}
	return &p, nil
}

func authority(path string) (*x509.CertPool, error) {
	data, err := atomicfile.ReadFile(path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("authority %s: no certificate in it", filepath.Base(path))
	}
	return pool, nil
}
