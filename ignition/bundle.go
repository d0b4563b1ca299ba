package ignition

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/bundle"
)

// Where the bundle and what belongs to it are on the machine.
const (
	bundlePath  = bundle.Path
	pinPath     = bundle.PinPath
	appliedPath = bundle.AppliedPath
)

// bundled lists the files that travel in the bundle, in the order in which
// they compress best: text, then certificates with their keys by authority,
// then RSA keys. Order within is by path, so that the bytes are always the same.
func (id *Identity) bundled() []File {
	var files []File
	for _, f := range id.Files {
		if !f.Early {
			files = append(files, f)
		}
	}
	slices.SortStableFunc(files, func(a, b File) int { return cmp.Compare(bundleRank(a), bundleRank(b)) })
	return files
}

func bundleRank(f File) int {
	switch {
	case strings.HasPrefix(f.Path, "/etc/tinc/") && bytes.Contains(f.Data, []byte("-----BEGIN RSA")):
		return 3
	case bytes.Contains(f.Data, []byte("-----BEGIN ")) && strings.HasPrefix(f.Path, etcdPKI):
		return 2
	case bytes.Contains(f.Data, []byte("-----BEGIN ")):
		return 1
	default:
		return 0
	}
}

// Bundle gives the identity's bundle: everything in it but the early files.
func (id *Identity) Bundle() ([]byte, error) {
	var manifest, text, binary bytes.Buffer
	manifest.WriteString(bundle.Magic + "\n")
	for _, f := range id.bundled() {
		fmt.Fprintf(&manifest, "f %o %s %s\n", f.Mode, f.Owner, f.Path)
		for _, p := range splitPEM(f.Data) {
			if p.label == "" {
				fmt.Fprintf(&manifest, "t %d\n", len(p.data))
			} else {
				fmt.Fprintf(&manifest, "p %d %s\n", len(p.data), p.label)
			}
			if bundleRank(f) == 0 {
				text.Write(p.data)
			} else {
				binary.Write(p.data)
			}
		}
	}
	manifest.WriteString(bundle.End + "\n")
	packed, err := compress(append(manifest.Bytes(), text.Bytes()...), binary.Bytes())
	if err != nil {
		return nil, fmt.Errorf("packing bundle of node %q: %w", id.Node, err)
	}
	return packed, nil
}

// part is a stretch of a file: a PEM block's DER with its label, or bytes as
// they are with none.
type part struct {
	label string
	data  []byte
}

// splitPEM takes a file apart so that putting the parts together gives the
// same bytes: only blocks are taken that are written as the unpacker writes them.
func splitPEM(data []byte) []part {
	var parts []part
	plain := 0
	for at := 0; at < len(data); {
		begin := bytes.Index(data[at:], []byte("-----BEGIN "))
		if begin < 0 {
			break
		}
		begin += at
		block, rest := pem.Decode(data[begin:])
		if block == nil {
			break
		}
		end := len(data) - len(rest)
		if (begin > 0 && data[begin-1] != '\n') || len(block.Bytes) == 0 || !bytes.Equal(bundle.EncodePEM(block.Type, block.Bytes), data[begin:end]) {
			at = begin + 1
			continue
		}
		if begin > plain {
			parts = append(parts, part{data: data[plain:begin]})
		}
		parts = append(parts, part{label: block.Type, data: block.Bytes})
		plain, at = end, end
	}
	if plain < len(data) {
		parts = append(parts, part{data: data[plain:]})
	}
	return parts
}
