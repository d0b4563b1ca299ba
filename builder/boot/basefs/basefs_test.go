package basefs_test

import (
	"archive/tar"
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/boot/basefs"
	"github.com/ingot-k8s/ingot/internal/need"
)

// archive packs headers; a file's content is its name, or what is given.
func archive(t *testing.T, contents map[string][]byte, headers ...tar.Header) *bytes.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		data, ok := contents[h.Name]
		if !ok {
			data = []byte(h.Name)
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(data))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write(data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

func read(t *testing.T, r *bytes.Reader) *basefs.FS {
	t.Helper()
	fs, err := basefs.Read(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func file(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o755} }
func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}
func dir(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }

func TestResolve(t *testing.T) {
	fs := read(t, archive(t, nil,
		dir("./"), dir("./usr/"), dir("./usr/bin/"), file("./usr/bin/dash"), link("./bin", "usr/bin"), link("./usr/bin/sh", "dash"),
		link("./up", "../../../bin/sh"), link("./abs", "/bin/dash"), link("./a", "b"), link("./b", "a"), link("./gone", "nothing"),
		tar.Header{Name: "./usr/bin/hard", Typeflag: tar.TypeLink, Linkname: "./usr/bin/dash"},
		tar.Header{Name: "./dev", Typeflag: tar.TypeChar},
	))
	for name, want := range map[string]string{
		"/bin/sh": "usr/bin/dash bin usr/bin/sh", "up": "usr/bin/dash up bin usr/bin/sh", "/abs": "usr/bin/dash abs bin",
		"usr//bin/./hard": "usr/bin/hard",
	} {
		real, links, err := fs.Resolve(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := strings.Join(append([]string{real}, links...), " "); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if data, err := fs.ReadFile(name); err != nil || string(data) != "./usr/bin/dash" {
			t.Errorf("%s: read %q, %v", name, data, err)
		}
	}
	for name, want := range map[string]string{
		"/a": "too many links", "/gone": `no "/gone"`, "/usr": "no regular file", "/dev": `no "/dev"`, "/bin/sh/x": `no "/bin/sh/x"`,
	} {
		if _, err := fs.ReadFile(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	if diff := cmp.Diff([]string{"dash", "hard", "sh"}, fs.List("/bin")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadRefuses(t *testing.T) {
	if _, err := basefs.Read(strings.NewReader(strings.Repeat("x", 1024)), 1024); err == nil {
		t.Error("what is no archive was read")
	}
	r := archive(t, nil, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"})
	if _, err := basefs.Read(r, r.Size()); err == nil || !strings.Contains(err.Error(), `"a" is a hard link to "b"`) {
		t.Errorf("got %v", err)
	}
}

// TestLibraries reads a real program of this machine.
func TestLibraries(t *testing.T) {
	program, err := os.ReadFile(need.Tool(t, "tar"))
	if err != nil {
		t.Fatal(err)
	}
	const lib = "usr/lib/x86_64-linux-gnu/"
	fs := read(t, archive(t, nil, dir("usr"), dir("usr/lib"), dir("usr/lib/x86_64-linux-gnu"), file(lib+"libc.so.6"),
		file(lib+"libselinux.so.1"), file(lib+"libacl.so.1"), link("lib64", "usr/lib/x86_64-linux-gnu"), file(lib+"ld-linux-x86-64.so.2")))
	got, err := fs.Libraries("usr/bin/tar", bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{lib + "libc.so.6", "lib64/ld-linux-x86-64.so.2"} {
		if !slices.Contains(got, want) {
			t.Errorf("it does not need %s: %v", want, got)
		}
	}
	if got, err := fs.Libraries("x", strings.NewReader("#!/bin/sh\n")); err != nil || got != nil {
		t.Errorf("a script needs %v, %v", got, err)
	}
	if got, err := fs.Libraries("x", strings.NewReader("")); err != nil || got != nil {
		t.Errorf("an empty file needs %v, %v", got, err)
	}
	empty := read(t, archive(t, nil, dir("usr")))
	if _, err := empty.Libraries("usr/bin/tar", bytes.NewReader(program)); err == nil || !strings.Contains(err.Error(), "the base has no library") {
		t.Errorf("got %v", err)
	}
}

// FuzzLibraries has broken programs give an error at most.
func FuzzLibraries(f *testing.F) {
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fs, err := basefs.Read(strings.NewReader(""), 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fs.Libraries("x", bytes.NewReader(data)) // must not panic
	})
}
