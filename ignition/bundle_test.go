package ignition_test

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/ignition"
)

// bundled are the files of an identity that a bundle has.
func bundled(id *ignition.Identity) []ignition.File {
	var files []ignition.File
	for _, f := range id.Files {
		if f.Early {
			continue
		}
		files = append(files, f)
	}
	return files
}

func byPath(a, b ignition.File) int { return strings.Compare(a.Path, b.Path) }

func TestBundleRoundTrip(t *testing.T) {
	for _, id := range identities(t) {
		data, err := id.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		again, err := id.Bundle()
		if err != nil || !bytes.Equal(data, again) {
			t.Errorf("%s: two bundles of one identity differ (%v)", id.Node, err)
		}
		got, err := ignition.ReadBundle(data)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(got, byPath)
		if diff := cmp.Diff(bundled(id), got); diff != "" {
			t.Errorf("%s: files differ (-want +got): %s", id.Node, diff)
		}
	}
}

// odd are contents that a bundle must give back as they are, PEM or not.
func odd() [][]byte {
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: bytes.Repeat([]byte{0, 1, 2, 250}, 12)})
	long := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: bytes.Repeat([]byte{7}, 49)})
	headers := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")})
	narrow := strings.ReplaceAll(string(block), "AAEC", "AA\nEC")
	return [][]byte{
		nil,
		[]byte("\n"),
		[]byte("no newline at the end"),
		{0, 1, 2, 0xff, '\n', 0},
		[]byte("end\nf 644 root:root /etc/x\n"),
		block,
		append(append(append([]byte("a\n"), block...), long...), "b"...),
		headers,
		[]byte(narrow),
		append([]byte("x"), block...),
		bytes.TrimRight(block, "\n"),
		[]byte("-----BEGIN CERTIFICATE-----\n"),
		[]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"),
	}
}

// oddIdentity has files with all the odd contents, and odd paths.
func oddIdentity() *ignition.Identity {
	id := &ignition.Identity{Node: "odd"}
	for i, data := range odd() {
		id.Files = append(id.Files, ignition.File{
			Path: "/opt/a folder/" + string(rune('a'+i)) + " \\n'\"$HOME*", Mode: 0o640, Owner: "root:root", Data: data,
		})
	}
	return id
}

func TestBundleOdd(t *testing.T) {
	id := oddIdentity()
	data, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ignition.ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range got {
		if want := file(t, id, f.Path); !bytes.Equal(f.Data, want.Data) {
			t.Errorf("file %d: got %q, want %q", i, f.Data, want.Data)
		}
	}
	if len(got) != len(id.Files) {
		t.Errorf("got %d files, want %d", len(got), len(id.Files))
	}
}

// PEM must not be stored as it is: that is what keeps an identity small.
func TestBundleHoldsDER(t *testing.T) {
	data, err := shipped(t, "prod").identity(t, "master0").Bundle()
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(plain, []byte("-----BEGIN")) {
		t.Error("there is PEM in the bundle")
	}
}

func TestReadBundleDamaged(t *testing.T) {
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "gzip"},
		"not gzip":      {[]byte("ingot-identity 1\nend\n"), "gzip"},
		"cut off":       {gz(t, "ingot-identity 1\nend\n")[:25], "gzip"},
		"no end":        {gz(t, "ingot-identity 1\nf 644 root:root /x\n"), "no end"},
		"version":       {gz(t, "ingot-identity 2\nend\n"), "first line"},
		"too short":     {gz(t, "ingot-identity 1\nf 644 root:root /x\nt 5\nend\nabc"), "line 3"},
		"too long":      {gz(t, "ingot-identity 1\nf 644 root:root /x\nt 2\nend\nabc"), "after the last"},
		"negative":      {gz(t, "ingot-identity 1\nf 644 root:root /x\nt -2\nend\nabc"), "line 3"},
		"huge":          {gz(t, "ingot-identity 1\nf 644 root:root /x\nt 99999999999999999999\nend\nabc"), "line 3"},
		"mode":          {gz(t, "ingot-identity 1\nf 4755 root:root /x\nend\n"), "mode"},
		"owner":         {gz(t, "ingot-identity 1\nf 755 root /x\nend\n"), "owner"},
		"option":        {gz(t, "ingot-identity 1\nf 755 --reference=/x:root /x\nend\n"), "owner"},
		"path":          {gz(t, "ingot-identity 1\nf 755 root:root /x/../y\nend\n"), "path"},
		"relative":      {gz(t, "ingot-identity 1\nf 755 root:root x\nend\n"), "path"},
		"label":         {gz(t, "ingot-identity 1\nf 755 root:root /x\np 1 a-b\nend\nx"), "label"},
		"part of none":  {gz(t, "ingot-identity 1\nt 1\nend\nx"), "line 2"},
		"unknown line":  {gz(t, "ingot-identity 1\nx 1\nend\nx"), "line 2"},
		"large":         {gz(t, "ingot-identity 1\n"+strings.Repeat(" ", 65<<20)), "more than"},
		"too many file": {gz(t, "ingot-identity 1\n"+strings.Repeat("f 644 root:root /x\n", 17000)+"end\n"), "more than 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ignition.ReadBundle(tc.data)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "reading bundle: ") {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
		})
	}
}

// gz packs text.
func gz(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
