package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Times that a server may take: to answer, and to send something more. How
// long a whole file takes nobody knows.
const (
	answerTime = 30 * time.Second
	silentTime = time.Minute
)

// DifferentError is a file with another content than it has to have.
type DifferentError struct{ Got string } // SHA-256

func (e *DifferentError) Error() string {
	return "refused, because its SHA-256 is " + e.Got
}

// URL copies the file at an address, whose SHA-256 is known, to path, a file
// that does not exist. It comes from the cache where that has it. Its size is
// not known, but limited.
func (c *Cache) URL(ctx context.Context, address, sum string, limit int64, offline bool, path string) error {
	if info, err := os.Stat(c.Path(sum)); err == nil && info.Mode().IsRegular() {
		if c.CopyTo(path, sum, info.Size()) == nil {
			return nil
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("copying from the cache: %w", err)
		}
		// What is corrupt is fetched again, and replaced.
	}
	if offline {
		return fmt.Errorf("fetching %s: not in the cache, and downloads are forbidden", shown(address))
	}
	dir, release, err := c.workspace()
	if err != nil {
		return err
	}
	defer release()
	file := filepath.Join(dir, "file")
	got, size, err := download(ctx, address, limit, file)
	if err != nil {
		return fmt.Errorf("fetching %s: %w", shown(address), err)
	}
	if got != sum {
		return fmt.Errorf("fetching %s: %w", shown(address), &DifferentError{Got: got})
	}
	if err := c.take(file, sum, size); err != nil {
		return fmt.Errorf("putting %s into the cache: %w", shown(address), err)
	}
	return c.CopyTo(path, sum, size)
}

// shown is an address without what may be secret in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address"
	}
	u.RawQuery = ""
	return u.Redacted()
}

// download writes the file at an address, and gives its SHA-256 and size.
func download(ctx context.Context, address string, limit int64, path string) (sum string, size int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(silentTime, func() { cancel(fmt.Errorf("nothing came for %s", silentTime)) })
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", 0, errors.New("not an address")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: answerTime, TLSHandshakeTimeout: answerTime}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the whole address
		}
		return "", 0, cause(ctx, err)
	}
	defer func() { _ = response.Body.Close() }() // read to its end or given up
	if response.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("the server says %q", response.Status)
	}
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", 0, err
	}
	h := sha256.New()
	body := io.LimitReader(response.Body, limit+1)
	buffer := make([]byte, 256<<10)
	for err == nil {
		var n int
		n, err = body.Read(buffer)
		silence.Reset(silentTime)
		if _, werr := io.MultiWriter(out, h).Write(buffer[:n]); werr != nil {
			err = werr
		}
		size += int64(n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return "", 0, cause(ctx, err)
	}
	if size > limit {
		return "", 0, fmt.Errorf("more than the %d bytes that are allowed", limit)
	}
	return hex.EncodeToString(h.Sum(nil)), size, nil
}

// cause is why a download ended: what ended its context, if that was it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
