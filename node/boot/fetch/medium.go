package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/ingot-k8s/ingot/node/mtls"
)

// room is what the folder has beside the medium, in bytes.
const room = 64 << 20

// Medium fetches the boot ISO into the folder and gives its path. What it gives
// has the length and the SHA-256 of the kernel line.
func (f *Fetcher) Medium(ctx context.Context) (string, error) {
	l := f.cfg.Line
	f.network(ctx)
	if err := f.prepare(); err != nil {
		return "", fmt.Errorf("fetching the medium: %w", err)
	}
	file, err := os.OpenFile(f.path(mediumFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return "", fmt.Errorf("fetching the medium: %w", err)
	}
	d := &download{f: f, file: file, sum: sha256.New()}
	err = d.found()
	if err == nil {
		f.cfg.Say("fetching the medium from %s (%d MB)", l.Medium, l.Size/1e6)
		err = f.retry(ctx, "fetching the medium from "+l.Medium, d.more)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return "", err
	}
	f.cfg.Say("the medium is here, and whole")
	return f.path(mediumFile), nil
}

// prepare makes the folder.
func (f *Fetcher) prepare() error {
	if err := os.MkdirAll(f.cfg.Dir, 0o700); err != nil {
		return err
	}
	if f.cfg.Mount == nil {
		return nil
	}
	return f.cfg.Mount(f.cfg.Dir, f.cfg.Line.Size+room)
}

// download is a medium that is being fetched.
type download struct {
	f      *Fetcher
	file   *os.File
	sum    hash.Hash // of what is there
	at     int64     // how much that is
	etag   string    // of what the server has
	wrong  int       // how often the whole was not what it should be
	tenths int64     // of what is there, told
}

// found takes what is in the file already.
func (d *download) found() error {
	n, err := io.Copy(d.sum, d.file)
	if err != nil {
		return err
	}
	if n > d.f.cfg.Line.Size {
		return d.reset()
	}
	d.at = n
	return nil
}

// reset begins anew.
func (d *download) reset() error {
	d.sum.Reset()
	d.at, d.tenths = 0, 0
	if err := d.file.Truncate(0); err != nil {
		return err
	}
	_, err := d.file.Seek(0, io.SeekStart)
	return err
}

// more fetches what is missing, and looks whether the whole is right.
func (d *download) more(ctx context.Context) (further bool, err error) {
	before := d.at
	if d.at < d.f.cfg.Line.Size {
		if err := d.request(ctx); err != nil {
			return d.at > before, err
		}
	}
	got := hex.EncodeToString(d.sum.Sum(nil))
	if got == d.f.cfg.Line.SHA256 {
		return true, nil
	}
	if d.wrong++; d.wrong == 2 {
		return false, fmt.Errorf("its SHA-256 is %s, twice, and should be %s: start the machine again, as the server may have another now", got, d.f.cfg.Line.SHA256)
	}
	if err := d.reset(); err != nil {
		return false, err
	}
	return false, again{fmt.Errorf("its SHA-256 is %s, and should be %s", got, d.f.cfg.Line.SHA256)}
}

// request asks for what is missing once.
func (d *download) request(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(silentTime, func() { cancel(fmt.Errorf("nothing came for %s", silentTime)) })
	defer silence.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.f.cfg.Line.Medium, nil)
	if err != nil {
		return err
	}
	if d.at > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.at))
		if d.etag != "" {
			req.Header.Set("If-Range", d.etag)
		}
	}
	resp, err := d.f.client.Do(req)
	if errors.Is(err, errPin) {
		return errPin
	}
	if err != nil {
		return again{mtls.Reason(cause(ctx, err))}
	}
	defer func() { _ = resp.Body.Close() }() // read to its end or given up
	if err := d.begin(resp); err != nil {
		return err
	}
	d.etag = resp.Header.Get("ETag")
	return d.take(ctx, resp.Body, silence)
}

// begin holds an answer against what was asked for.
func (d *download) begin(resp *http.Response) error {
	size := d.f.cfg.Line.Size
	switch resp.StatusCode {
	case http.StatusPartialContent:
		if got, want := resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", d.at, size-1, size); got != want {
			return fmt.Errorf("the server sends %q where %q was asked for: start the machine again, as the server may have another medium now", got, want)
		}
		return nil
	case http.StatusOK:
		if resp.ContentLength >= 0 && resp.ContentLength != size {
			return fmt.Errorf("it has %d bytes, and should have %d: start the machine again, as the server may have another now", resp.ContentLength, size)
		}
		if d.at > 0 { // another one, or a server that knows no ranges
			return d.reset()
		}
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		if err := d.reset(); err != nil {
			return err
		}
		return again{errors.New("the server has less of it than is here")}
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return again{err}
	}
	return answer(resp.StatusCode, string(text))
}

// take takes what the server sends.
func (d *download) take(ctx context.Context, body io.Reader, silence *time.Timer) error {
	size := d.f.cfg.Line.Size
	buf := make([]byte, 256<<10)
	for d.at < size {
		n, err := body.Read(buf[:min(int64(len(buf)), size-d.at)])
		silence.Reset(silentTime)
		if _, werr := d.file.Write(buf[:n]); werr != nil {
			return fmt.Errorf("writing the medium into memory: %w", werr)
		}
		d.sum.Write(buf[:n])
		d.at += int64(n)
		d.say()
		if err != nil && d.at < size {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return again{fmt.Errorf("the connection broke after %d of %d MB: %w", d.at/1e6, size/1e6, mtls.Reason(cause(ctx, err)))}
		}
	}
	return nil
}

// say tells of every tenth.
func (d *download) say() {
	size := d.f.cfg.Line.Size
	if tenths := d.at * 10 / size; tenths > d.tenths && tenths < 10 {
		d.tenths = tenths
		d.f.cfg.Say("fetched %d of %d MB of the medium", d.at/1e6, size/1e6)
	}
}

// cause is why a request ended: what ended its context, if that was it.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
