package builder

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/pki"
)

// TestGate sends trees through gates. Outside of it, no goroutine is left:
// synctest waits for all of them.
func TestGate(t *testing.T) {
	secret := pki.Secret{Name: "lab0: apiserver key", Value: []byte(strings.Repeat("0123456789abcdef", 4))}
	sick := errors.New("sick")
	for name, c := range map[string]struct {
		files map[string]string
		after error // of the writer
		want  string
	}{
		"clean":         {files: map[string]string{"etc/hosts": "127.0.0.1 localhost\n"}},
		"by its path":   {files: map[string]string{"etc/ssh/ssh_host_rsa_key": "x"}, want: "/etc/ssh/ssh_host_rsa_key: SSH host key"},
		"by its value":  {files: map[string]string{"a": fmt.Sprintf("%x", secret.Value)}, want: "/a: secret of the cluster (lab0: apiserver key)"},
		"a trace":       {files: map[string]string{"a": "by alice@forge\n"}, want: "/a: name of who bakes"},
		"writer fails":  {files: map[string]string{"etc/hosts": ""}, after: sick, want: "sick"},
		"both":          {files: map[string]string{"etc/ssh/ssh_host_rsa_key": "x"}, after: sick, want: "sick"},
		"a closed pipe": {after: io.ErrClosedPipe, want: "closed pipe"},
		"no tar":        {files: map[string]string{"": strings.Repeat("no tar", 10000)}, want: "looking for leaks: archive/tar"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBake(Config{Cluster: lab(t), Traces: leak.Traces{Host: "forge", User: "alice"}})
				g := b.gate(t.Context(), []pki.Secret{secret})
				err := pour(g, c.files)
				if err == nil {
					err = c.after
				}
				switch err := g.end(err); {
				case c.want == "" && err != nil:
					t.Error(err)
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("got %v, want %s", err, c.want)
				case c.after != nil && !errors.Is(err, c.after):
					t.Errorf("the writer's error is lost: %v", err)
				}
			})
		})
	}
}

// pour writes a tree. A file without a name is no file of a tree.
func pour(w io.Writer, files map[string]string) error {
	to := tar.NewWriter(w)
	for name, content := range files {
		if name == "" {
			_, err := io.WriteString(w, content)
			return err
		}
		if err := to.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := io.WriteString(to, content); err != nil {
			return err
		}
	}
	return to.Close()
}
