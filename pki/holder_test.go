package pki

import (
	"bytes"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
)

func sampleHolder() *holderFile {
	return &holderFile{
		cluster: "small", holder: "nodes/w0",
		clear:   []entry{{"proxy", &pem.Block{Type: pemCert, Bytes: []byte("a certificate")}}, {meshEntry, &pem.Block{Type: pemRSAPublic, Bytes: make([]byte, 100)}}},
		sealed:  []byte("-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"),
		readers: "0123",
	}
}

func TestHolderForm(t *testing.T) {
	golden.Check(t, filepath.Join("testdata", "holder.pem"), sampleHolder().encode())
	public := sampleHolder()
	public.sealed, public.readers = nil, ""
	for _, h := range []*holderFile{sampleHolder(), public} {
		data := h.encode()
		got, err := parseHolder(data, "small", "nodes/w0")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.encode(), data) {
			t.Errorf("read and written again:\n%s", got.encode())
		}
	}
	mixed := sampleHolder()
	mixed.readers = ""
	if _, err := parseHolder(mixed.encode(), "small", "nodes/w0"); err == nil {
		t.Error("private keys that are encrypted to nobody are accepted")
	}
}

// What is accepted is what would be written: nothing is dropped in silence
// when a file is written again.
func FuzzHolder(f *testing.F) {
	f.Add(string(body(sampleHolder().encode())))
	f.Add("# a\n-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n")
	f.Add("# private keys are encrypted to: x\n# private keys\n")
	f.Fuzz(func(t *testing.T, text string) {
		data := []byte(headerLine + "small nodes/w0\n" + sumLine + digest([]byte(text)) + "\n" + text)
		h, err := parseHolder(data, "small", "nodes/w0")
		if err != nil {
			return
		}
		if !bytes.Equal(h.encode(), data) {
			t.Errorf("read:\n%s\nwritten:\n%s", data, h.encode())
		}
	})
}

// body is a holder file without its first two lines.
func body(data []byte) []byte {
	return []byte(strings.SplitN(string(data), "\n", 3)[2])
}

func FuzzSecrets(f *testing.F) {
	f.Add(string(secrets{{"a", &pem.Block{Type: pemKey, Bytes: []byte("k")}}}.encode()))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSecrets([]byte(text))
		if err != nil && len(text) > 20 && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the content: %v", err)
		}
		for _, e := range s {
			if e.name == "" {
				t.Error("a key without a name")
			}
		}
	})
}
