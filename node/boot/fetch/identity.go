package fetch

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/mtls"
)

// headerSession is the header by which the server knows this program again.
const headerSession = "Ingot-Session"

// Limits, in bytes.
const (
	maxToken    = 256
	maxIdentity = 64 << 20
)

// Outcomes that a server is told.
const (
	Installed = "install" // image and identity are on the disk
	Running   = "run"     // the identity is with the state of the machine
)

// Identity asks for the machine's config ISO, puts it into the folder and gives
// its path. The path is empty where the kernel line says that the machine has
// its identity. The error of a server that does not give it is a
// *[RefusedError].
func (f *Fetcher) Identity(ctx context.Context) (string, error) {
	l := f.cfg.Line
	if l.Identity == "" {
		return "", nil
	}
	if err := os.MkdirAll(f.cfg.Dir, 0o700); err != nil {
		return "", fmt.Errorf("fetching the identity: %w", err)
	}
	token, session, err := f.credentials()
	if err != nil {
		return "", fmt.Errorf("fetching the identity: %w", err)
	}
	what := "fetching the identity from " + l.Identity
	f.cfg.Say("%s", what)
	var data []byte
	err = f.retry(ctx, what, func(ctx context.Context) (bool, error) {
		var err error
		data, err = f.post(ctx, l.Identity, token, session, nil)
		if err == nil && len(data) == 0 {
			err = again{errors.New("the server sends nothing")}
		}
		return false, err
	})
	if err != nil {
		return "", err
	}
	if err := atomicfile.WriteNoSync(f.path(identityFile), data, 0o600); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	f.cfg.Say("the identity is here")
	return f.path(identityFile), nil
}

// Done tells the server that the machine keeps its identity, so that it is
// given to nobody any more, and removes what was needed to ask for it. It does
// nothing where no identity was fetched.
func (f *Fetcher) Done(ctx context.Context, outcome string) error {
	l := f.cfg.Line
	if l.Identity == "" {
		return nil
	}
	if _, err := os.Lstat(f.path(sessionFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	token, session, err := f.credentials()
	if err != nil {
		return fmt.Errorf("telling the server that the identity is kept: %w", err)
	}
	body, err := json.Marshal(struct {
		Outcome string `json:"outcome"`
	}{outcome})
	if err != nil {
		return err
	}
	err = f.retry(ctx, "telling the server at "+l.Identity+" that the identity is kept", func(ctx context.Context) (bool, error) {
		_, err := f.post(ctx, l.Identity+"/done", token, session, body)
		return false, err
	})
	if err != nil {
		return err
	}
	// A loop device keeps what it has of the identity until it ends.
	for _, name := range []string{f.path(identityFile), f.path(sessionFile), f.cfg.TokenFile} {
		if rerr := os.Remove(name); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	return err
}

// credentials are the token and the session, which is made once.
func (f *Fetcher) credentials() (token, session string, err error) {
	if token, err = secret(f.cfg.TokenFile); err != nil {
		return "", "", fmt.Errorf("reading the token: %w", err)
	}
	session, err = secret(f.path(sessionFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return token, session, err
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	session = hex.EncodeToString(b)
	return token, session, atomicfile.WriteNoSync(f.path(sessionFile), []byte(session+"\n"), 0o600)
}

// secret reads a token or session from a file. Its text is in no error.
func secret(path string) (string, error) {
	data, err := atomicfile.ReadFile(path, maxToken)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	if !isHash(text) {
		return "", fmt.Errorf("%s has other than 64 digits from 0 to f", path)
	}
	return text, nil
}

// post makes one request, and gives what the server answers.
func (f *Fetcher) post(ctx context.Context, address, token, session string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, silentTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "ingot-node")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set(headerSession, session)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.client.Do(req)
	if errors.Is(err, errPin) {
		return nil, errPin
	}
	if err != nil {
		return nil, again{mtls.Reason(err)}
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxIdentity+1))
	switch {
	case err != nil:
		return nil, again{mtls.Reason(err)}
	case resp.StatusCode/100 != 2:
		return nil, answer(resp.StatusCode, string(data))
	case len(data) > maxIdentity:
		return nil, fmt.Errorf("the server sends more than %d bytes", maxIdentity)
	}
	return data, nil
}
