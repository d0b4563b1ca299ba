package node

import (
	"context"
	"slices"
	"testing"

	"github.com/ingot-k8s/ingot/internal/run"
)

// argvs notes what is run.
type argvs struct{ all [][]string }

func (a *argvs) Run(_ context.Context, c run.Command) error {
	a.all = append(a.all, c.Argv)
	return nil
}

// TestEtcdUnit: how systemd is asked to start and stop etcd, on a machine and
// on a folder.
func TestEtcdUnit(t *testing.T) {
	var ran argvs
	m := Machine{Runner: &ran}
	for _, root := range []string{"/", "/srv/other"} {
		c := m.etcdConfig(options{root: root}, nil)
		for _, ask := range []func(context.Context) error{c.Start, c.Stop} {
			if err := ask(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	want := [][]string{{"systemctl", "start", "--no-block", "--", "etcd.service"}, {"systemctl", "stop", "--", "etcd.service"}}
	if !slices.EqualFunc(ran.all, want, slices.Equal) {
		t.Errorf("it ran %q", ran.all)
	}
}
