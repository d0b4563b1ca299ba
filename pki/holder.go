package pki

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age/armor"
)

// A holder file has all that belongs to one holder: certificates and public
// keys in the clear, then the private keys in one armored age file.
//
//	# ingot key store 1: prod nodes/master0
//	# sha256 of the lines below: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//	# private keys are encrypted to: 5d41402abc4b2a76b9719d911017c592
//	# etcd-server
//	-----BEGIN CERTIFICATE-----
//	...
//	# private keys
//	-----BEGIN AGE ENCRYPTED FILE-----
//
// A reader accepts what the writer would write and nothing else, so that a
// file that was cut, edited or merged is noticed before anything is done with
// it. The sum is against accidents; it is no signature.
type holderFile struct {
	cluster string
	holder  string // place in the store without the suffix, such as nodes/master0
	clear   []entry
	sealed  []byte // the armored age file; nil without private keys
	readers string // fingerprint of the recipients of sealed
}

// entry is a named PEM block.
type entry struct {
	name  string
	block *pem.Block // without headers
}

const (
	headerLine  = "# ingot key store 1: "
	sumLine     = "# sha256 of the lines below: "
	readersLine = "# private keys are encrypted to: "
	sealedName  = "private keys"
	maxHolder   = 1 << 20 // bytes; a controller with RSA 4096 keys has about 80 KiB
)

// nameHeader is the PEM header that names a block in the encrypted part. In
// the clear part names are comments, because OpenSSL takes no PEM headers.
const nameHeader = "Ingot-Name"

func (h *holderFile) find(name string) (*pem.Block, bool) {
	for _, e := range h.clear {
		if e.name == name {
			return e.block, true
		}
	}
	return nil, false
}

func (h *holderFile) encode() []byte {
	var b bytes.Buffer
	if h.sealed != nil {
		b.WriteString(readersLine + h.readers + "\n")
	}
	for _, e := range h.clear {
		b.WriteString("# " + e.name + "\n")
		b.Write(pem.EncodeToMemory(e.block))
	}
	if h.sealed != nil {
		b.WriteString("# " + sealedName + "\n")
		b.Write(h.sealed)
	}
	return slices.Concat([]byte(headerLine+h.cluster+" "+h.holder+"\n"+sumLine+digest(b.Bytes())+"\n"), b.Bytes())
}

// parseHolder reads a holder file, and checks that it is the one of this
// cluster and holder.
func parseHolder(data []byte, cluster, holder string) (*holderFile, error) {
	h := &holderFile{cluster: cluster, holder: holder}
	p := &lineReader{rest: data}
	who, ok := strings.CutPrefix(p.line(), headerLine)
	if !ok {
		return nil, fmt.Errorf("not a file of this key store, or damaged: line 1 does not start with %q", strings.TrimSpace(headerLine))
	}
	if want := cluster + " " + holder; who != want {
		return nil, fmt.Errorf("it belongs to %q, not to %q", who, want)
	}
	if sum, ok := strings.CutPrefix(p.line(), sumLine); !ok || sum != digest(p.rest) {
		return nil, errors.New("damaged or cut short: its SHA-256 is not what line 2 says")
	}
	for len(p.rest) > 0 {
		name, ok := strings.CutPrefix(p.line(), "# ")
		if !ok || name == "" {
			return nil, fmt.Errorf("damaged: line %d is not a name", p.number)
		}
		if after, ok := strings.CutPrefix("# "+name, readersLine); ok && p.number == 3 {
			h.readers = after
			continue
		}
		if name == sealedName {
			h.sealed, p.rest = p.rest, nil
			break
		}
		block, err := p.block()
		if err != nil {
			return nil, err
		}
		if _, twice := h.find(name); twice {
			return nil, fmt.Errorf("damaged: %q stands twice", name)
		}
		h.clear = append(h.clear, entry{name, block})
	}
	if (h.sealed != nil) != (h.readers != "") || h.sealed != nil && !isAgeFile(h.sealed) {
		return nil, errors.New("damaged or cut short: the private keys are not one whole age file")
	}
	if !bytes.Equal(h.encode(), data) {
		return nil, errors.New("damaged: not as it was written")
	}
	return h, nil
}

func isAgeFile(data []byte) bool {
	return bytes.HasPrefix(data, []byte(armor.Header+"\n")) && bytes.HasSuffix(data, []byte("\n"+armor.Footer+"\n"))
}

type lineReader struct {
	rest   []byte
	number int // of the last line read, from 1
}

func (p *lineReader) line() string {
	line, rest, _ := bytes.Cut(p.rest, []byte("\n"))
	p.rest = rest
	p.number++
	return string(line)
}

// block reads the PEM block that comes next.
func (p *lineReader) block() (*pem.Block, error) {
	block, rest := pem.Decode(p.rest)
	if block == nil {
		return nil, fmt.Errorf("damaged or cut short: no whole PEM block after line %d", p.number)
	}
	block.Headers = nil
	p.number += bytes.Count(p.rest[:len(p.rest)-len(rest)], []byte("\n"))
	p.rest = rest
	return block, nil
}

// secrets are the private keys of a holder by name, as PEM blocks.
type secrets []entry

func (s secrets) find(name string) (*pem.Block, bool) {
	for _, e := range s {
		if e.name == name {
			return e.block, true
		}
	}
	return nil, false
}

func (s secrets) encode() []byte {
	var b bytes.Buffer
	for _, e := range s {
		b.Write(pem.EncodeToMemory(&pem.Block{
			Type: e.block.Type, Bytes: e.block.Bytes, Headers: map[string]string{nameHeader: e.name},
		}))
	}
	return b.Bytes()
}

// parseSecrets reads what was encrypted. Its errors hold nothing of it.
func parseSecrets(data []byte) (secrets, error) {
	var out secrets
	for len(data) > 0 {
		block, rest := pem.Decode(data)
		if block == nil || block.Headers[nameHeader] == "" {
			return nil, errors.New("the decrypted private keys are not named PEM blocks")
		}
		name := block.Headers[nameHeader]
		block.Headers = nil
		out = append(out, entry{name, block})
		data = rest
	}
	return out, nil
}
