package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// fixed is a machine that answers programs by name, and keeps what it was asked.
// What it does not know fails. A real one is in e2e/packer.
type fixed struct {
	answers map[string]string
	asked   []string
	stdin   map[string][]byte
}

func (f *fixed) Run(_ context.Context, in io.Reader, out io.Writer, argv ...string) error {
	line := strings.Join(argv, " ")
	f.asked = append(f.asked, line)
	if in != nil {
		data, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if f.stdin == nil {
			f.stdin = map[string][]byte{}
		}
		f.stdin[line] = data
	}
	for prefix, answer := range f.answers { // none begins with another
		if strings.HasPrefix(line, prefix) {
			if out != nil {
				_, err := io.WriteString(out, answer)
				return err
			}
			return nil
		}
	}
	return fmt.Errorf("%s: not here", argv[0])
}

func config() Config {
	c := &cluster.Cluster{}
	c.Def.Image.Debian = 12
	return Config{
		Cluster: c, Date: time.Unix(1e9, 0), Say: func(string) {},
		Layers: []layer.Layer{{
			Name: "sample", Packages: []string{"kmod", "absent"}, Users: []layer.User{{Name: "sam", ID: 877, Comment: "a sample"}},
			Files: []layer.File{{Path: "/etc/sample", Content: []byte("text\n"), User: "sam"}},
			Links: []layer.Link{{Path: "/etc/link", Target: "sample"}},
		}},
		Programs: []tree.Extra{{Path: "/usr/bin/program", Mode: 0o755, Size: 2, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("#!")), nil
		}}},
	}
}

// program is what a machine says that has the program of config.
var program = fmt.Sprintf("755 root root %x */usr/bin/program\n", sha256.Sum256([]byte("#!")))

// debian is a machine that has all that is needed.
func debian() *fixed {
	return &fixed{answers: map[string]string{
		"cat /etc/os-release": "ID=debian\nVERSION_ID=\"12\"\n", "uname -m": "x86_64\n", "id --user": "0\n",
		"dpkg-query": "kmod 1 installed\nabsent 2 installed\nold 3 config-files\n", "systemd-sysusers -": "", "tar": "", "find /run": "",
		"find /usr -type f": program,
	}}
}

func TestApply(t *testing.T) {
	m := debian()
	if err := Apply(t.Context(), m, config()); err != nil {
		t.Fatal(err)
	}
	if got, want := string(m.stdin["systemd-sysusers -"]), "g sam 877\nu sam 877:877 \"a sample\"\n"; got != want {
		t.Errorf("users are %q, want %q", got, want)
	}
	var archives [][]byte
	for line, data := range m.stdin {
		if strings.HasPrefix(line, "tar ") {
			archives = append(archives, data)
		}
	}
	if len(archives) != 2 || !bytes.Equal(archives[0], archives[1]) {
		t.Fatalf("what is compared is not what was written: %d archives", len(archives))
	}
	var got []string
	for r := tar.NewReader(bytes.NewReader(archives[0])); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %s:%s %s", h.Name, h.Mode, h.Uname, h.Gname, h.Linkname))
	}
	want := []string{"etc/link 777 root:root sample", "etc/sample 644 sam:root "} // it has the program
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(f *fixed)
		say   string
	}{
		"distribution": {func(f *fixed) { f.answers["cat /etc/os-release"] = "ID=ubuntu\nVERSION_ID=12\n" }, `runs "ubuntu" "12", and the definition is for Debian 12`},
		"release":      {func(f *fixed) { f.answers["cat /etc/os-release"] = "ID=debian\nVERSION_ID=11\n" }, `runs "debian" "11"`},
		"processor":    {func(f *fixed) { f.answers["uname -m"] = "aarch64\n" }, `architecture "aarch64" (x86_64)`},
		"user":         {func(f *fixed) { f.answers["id --user"] = "1000\n" }, `user 1000 is not root on the machine: say what makes it so, as elevate = `},
		"no system":    {func(f *fixed) { delete(f.answers, "cat /etc/os-release") }, "asking the machine what it runs: cat: not here"},
		"no packages":  {func(f *fixed) { f.answers["dpkg-query"] = "kmod 1 installed\n"; f.answers["find /usr/sbin"] = policy }, "installing packages: env: not here"},
		"no units":     {func(f *fixed) { f.answers["find /run"] = "/run/systemd/system\n" }, "reading new units: systemctl: not here"},
		"no program":   {func(f *fixed) { f.answers["find /usr -type f"] = "" }, "checking the result: not as it was written: /usr/bin/program"},
		"not the same": {func(f *fixed) { delete(f.answers, "tar"); f.answers["tar --extract"] = "" }, "checking the result: tar: not here"},
	} {
		t.Run(name, func(t *testing.T) {
			m := debian()
			test.spoil(m)
			if err := Apply(t.Context(), m, config()); err == nil || !strings.Contains(err.Error(), test.say) {
				t.Errorf("got %v, want %q", err, test.say)
			}
		})
	}
}

// A machine that is not supported is left as it is.
func TestUntouched(t *testing.T) {
	m := debian()
	m.answers["cat /etc/os-release"] = "ID=alpine\n"
	if err := Apply(t.Context(), m, config()); err == nil || len(m.asked) != 1 {
		t.Errorf("it was asked %q: %v", m.asked, err)
	}
}
