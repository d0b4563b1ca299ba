package fetch

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Line is what the kernel line says to a machine that has started over a
// network.
type Line struct {
	Medium string // address of the boot ISO
	SHA256 string // of it, in hexadecimal
	Size   int64  // of it, in bytes
	// Identity is the address that gives the identity; empty where the machine
	// has one.
	Identity string
	Pin      string // SHA-256 of the server's certificate, in hexadecimal; for https
}

// ParseLine reads a kernel line. It is nil where the machine has not started
// over a network. Of words that are there twice the first counts.
func ParseLine(text string) (*Line, error) {
	words := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		if _, twice := words[name]; ok && !twice {
			words[name] = value
		}
	}
	if words["ingot.medium"] == "" {
		return nil, nil //nolint:nilnil // most machines have no such word
	}
	l := &Line{Medium: words["ingot.medium"], SHA256: words["ingot.medium.sha256"], Identity: words["ingot.identity"], Pin: words["ingot.identity.pin"]}
	var err error
	if l.Size, err = strconv.ParseInt(words["ingot.medium.size"], 10, 64); err != nil || l.Size <= 0 {
		return nil, fmt.Errorf("reading the kernel line: ingot.medium.size=%q is no size in bytes", words["ingot.medium.size"])
	}
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("reading the kernel line: %w", err)
	}
	return l, nil
}

func (l *Line) check() error {
	if !isHash(l.SHA256) {
		return fmt.Errorf("ingot.medium.sha256=%q is not a SHA-256 of 64 digits from 0 to f", l.SHA256)
	}
	medium, err := address(l.Medium)
	if err != nil || medium.Scheme != "http" && medium.Scheme != "https" {
		return fmt.Errorf("ingot.medium=%q is not an address (http://..., https://...)", l.Medium)
	}
	secure := medium.Scheme == "https"
	if l.Identity != "" {
		identity, err := address(l.Identity)
		if err != nil || identity.Scheme != "https" {
			return fmt.Errorf("ingot.identity=%q is not an address of HTTPS (https://...)", l.Identity)
		}
		secure = true
	}
	if secure && !isHash(l.Pin) {
		return fmt.Errorf("ingot.identity.pin=%q is not the SHA-256 of a certificate, 64 digits from 0 to f, by which the server is known", l.Pin)
	}
	return nil
}

func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it has no host, or more than that and a path")
	}
	return u, nil
}

func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && strings.ToLower(s) == s
}
