package serve

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// script answers with a script for iPXE.
func script(w http.ResponseWriter, body string) { text(w, body) }

// text answers with text.
func text(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = io.WriteString(w, body) //nolint:gosec // G705: it is no HTML, and nobody takes it for that; if it fails, who has asked is gone
}

// serveFile serves a part of the medium, or a range of it.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string) {
	medium := s.cfg.Medium
	sum := medium.parts[name].sum
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "no-cache") // may be kept, and is asked for by its ETag
	h.Set("ETag", `"`+medium.SHA256(name)+`"`)
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":") // RFC 9530
	if name != NameMedium {
		http.ServeContent(w, r, "", time.Time{}, medium.open(name))
		return
	}
	if r.Method != http.MethodGet {
		http.ServeContent(w, r, "", time.Time{}, medium.open(name))
		return
	}
	step, size, began := name+" to "+r.RemoteAddr, medium.Size(name), s.cfg.Now()
	s.cfg.Progress.Begin(step)
	content := &counted{ReadSeeker: medium.open(name), advance: func(n int64) { s.cfg.Progress.Advance(step, n, size) }}
	http.ServeContent(w, r, "", time.Time{}, content)
	sent, took := content.read.Load(), s.cfg.Now().Sub(began)
	var broken error
	if want, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err != nil || sent < want {
		broken = errors.New("the connection broke")
	}
	s.cfg.Progress.End(step, took, false, sent, broken)
	text := fmt.Sprintf("%s: sent %d of %d bytes in %.1f s", name, sent, size, took.Seconds())
	if at := r.Header.Get("Range"); at != "" {
		text += fmt.Sprintf(", asked for as %.40q", at)
	}
	s.tell(Event{Kind: Fetched, Text: text}, r.RemoteAddr)
}

// counted counts what is read.
type counted struct {
	io.ReadSeeker
	read    atomic.Int64
	advance func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadSeeker.Read(p)
	c.advance(c.read.Add(int64(n)))
	return n, err
}

// serveInitrd serves the initrd of one machine: the image's own, the boot ISO's
// behind it, and a third with the machine's token. All in one, as old iPXE and
// old kernels are at odds about several.
func (s *Server) serveInitrd(w http.ResponseWriter, r *http.Request) {
	m, err := parseMachine(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	node, token, given, err := s.register.offer(m)
	if err != nil {
		s.tell(event(Unknown, "", m, "%v, and asks for an initrd", err), r.RemoteAddr)
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	var third []byte
	if token != "" {
		third = tokenArchive(token)
		s.tellOffer(node, m, given, r.RemoteAddr)
	}
	first, second := s.cfg.Medium.open(NameInitrd), s.cfg.Medium.open(NameBootInitrd)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(padded(first.Size())+padded(second.Size())+int64(len(third)), 10))
	for _, part := range []*io.SectionReader{first, second} {
		if _, err := io.Copy(w, part); err != nil {
			return // who has asked is gone, and asks again
		}
		if _, err := w.Write(make([]byte, padding(part.Size()))); err != nil {
			return
		}
	}
	_, _ = w.Write(third) // as above
}

func padded(n int64) int64 { return n + padding(n) }

func (s *Server) tellOffer(node string, m Machine, given int, address string) {
	e := event(Offered, node, m, "starts, and may ask for its identity")
	if given > 0 {
		e = alarm(event(Offered, node, m, "starts again, and may ask for its identity once more: it was given %d times, and no machine has said that it keeps it; "+
			"if this machine did not lose its power, somebody imitates it", given))
	}
	s.tell(e, address)
}
