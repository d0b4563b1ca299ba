// Package fetch brings to a machine that has started over a network what others
// find on a CD: the boot ISO, into memory, and the identity. `ingot serve` is
// the other end; docs/how-to/pxe.md says how both trust each other.
//
// Everything is in one folder in memory that only root can read. A connection
// that breaks is made again, and what was fetched is kept; so is what a program
// that was ended has left.
package fetch

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
)

// TokenFile is where the initrd of a machine has its token, by the server.
const TokenFile = "/etc/ingot/token"

// Names in the folder.
const (
	mediumFile   = "boot.iso"
	identityFile = "config.iso"
	sessionFile  = "session" // by which the server knows the user of a token again
)

// Times of a server.
const (
	answerTime = 30 * time.Second
	silentTime = time.Minute      // without a byte
	patience   = 15 * time.Minute // without any success
	firstPause = time.Second
	longPause  = 10 * time.Second
)

// Config says what is fetched, and where it goes.
type Config struct {
	Line      *Line
	Dir       string     // made if it is not there
	TokenFile string     // has the token
	Runner    run.Runner // for systemctl
	Say       func(format string, args ...any)

	// Mount makes a folder a file system in memory, of size bytes; nil where it
	// is one.
	Mount func(dir string, size int64) error
	// Patience is how long is tried without success; 0 means 15 minutes.
	Patience time.Duration
	// Pause is the first pause between two tries, 0 means a second; each
	// further one is twice as long, up to 10 times the first.
	Pause time.Duration
}

// Fetcher fetches. Its methods are called one after the other.
type Fetcher struct {
	cfg    Config
	client *http.Client
}

// New makes a fetcher. Nothing is done before its first method is called.
func New(cfg Config) *Fetcher {
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	if cfg.Pause == 0 {
		cfg.Pause = firstPause
	}
	return &Fetcher{cfg: cfg, client: &http.Client{
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: answerTime}).DialContext,
			TLSClientConfig:       pinned(cfg.Line.Pin),
			TLSHandshakeTimeout:   answerTime,
			ResponseHeaderTimeout: answerTime,
			DisableCompression:    true,
		},
		// A redirect would lead to who knows whom.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (f *Fetcher) path(name string) string { return filepath.Join(f.cfg.Dir, name) }

// errPin is a server that is not the one that the machine was started by.
var errPin = errors.New("what answers there has another certificate than the kernel line names: this is not the server that has started this machine")

// pinned believes the one certificate that has the hash, and no authority. Names
// and times play no part: the machine has no clock yet that could be trusted.
func pinned(pin string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // G402: the certificate is held against its hash, below
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) == 0 {
				return errPin
			}
			sum := sha256.Sum256(state.PeerCertificates[0].Raw)
			if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(pin)) != 1 {
				return errPin
			}
			return nil
		},
	}
}

// network starts the machine's network. Whether it works is seen by asking.
func (f *Fetcher) network(ctx context.Context) {
	err := f.cfg.Runner.Run(ctx, run.Command{Argv: []string{"systemctl", "start", "systemd-networkd.service"}})
	if err != nil {
		f.cfg.Say("the network cannot be started: %v", err)
	}
}

// RefusedError is a server that will not give what is asked for, however often.
type RefusedError struct {
	Status int    // of HTTP
	Text   string // what the server says
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the server refuses (%d): %s", e.Status, e.Text)
}

// again is an error that another try may not have.
type again struct{ error }

func (e again) Unwrap() error { return e.error }

// retry tries until it works, or fails for good, or nothing succeeds for too
// long. Try reports whether it came further, which begins the time anew.
func (f *Fetcher) retry(ctx context.Context, what string, try func(context.Context) (further bool, err error)) error {
	defer f.client.CloseIdleConnections()
	pause, waited := f.cfg.Pause, time.Duration(0)
	for {
		further, err := try(ctx)
		var passing again
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &passing):
			return fmt.Errorf("%s: %w", what, err)
		}
		if further {
			pause, waited = f.cfg.Pause, 0
		}
		if waited >= f.cfg.Patience {
			return fmt.Errorf("%s: without success for %s: %w", what, f.cfg.Patience, passing.error)
		}
		f.cfg.Say("%s: %v; trying again in %s", what, passing.error, pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		waited += pause
		pause = min(2*pause, longPause/firstPause*f.cfg.Pause)
	}
}

// answer is what a server says that is no success.
func answer(status int, body string) error {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, body)
	if text = strings.Join(strings.Fields(text), " "); len(text) > 300 {
		text = text[:300] + "..."
	}
	refused := &RefusedError{Status: status, Text: text}
	if status/100 == 4 && status != http.StatusNotFound && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout {
		return refused
	}
	return again{refused} // it may be starting
}
