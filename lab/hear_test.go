package lab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHear has machines say things in several ways, in one piece and byte by
// byte.
func TestHear(t *testing.T) {
	for name, c := range map[string]struct {
		said string
		want Heard
	}{
		"nothing":  {"SeaBIOS (version 1.16)\nBooting from Hard Disk...\n", Heard{}},
		"kernel":   {"[    0.000000] Linux version 6.12.43+deb13-cloud-amd64 (debian)\n", Heard{Boot: BootKernel, Boots: 1}},
		"no end":   {"[    0.000000] Linux version 6.12.43", Heard{}},
		"identity": {"Linux version 6.12\n[  3.1] ingot: the identity from the config drive was written\n", Heard{Boot: BootIdentity, Boots: 1}},
		"accepted": {
			"[   12.3] ingot-node[211]: ingot-node: this is lab0 of cluster lab (controller, worker), index 1, 10.42.0.1\n",
			Heard{Boot: BootAccepted, Who: "lab0"},
		},
		"refused, twice": {
			"ingot-node: refused: the certificate has ended\ningot-node: refused: it is of another cluster\n",
			Heard{Boot: BootRefused, Detail: "the certificate has ended; it is of another cluster"},
		},
		"refused, then accepted": {
			"ingot-node: refused: the certificate has ended\ningot-node: this is lab0 of cluster lab (worker), index 1, 10.42.0.1\n",
			Heard{Boot: BootAccepted, Who: "lab0"},
		},
		"panic":   {"[    4.5] Kernel panic - not syncing: dm-verity device corrupted\n", Heard{Boot: BootStopped, Detail: "Kernel panic - not syncing: dm-verity device corrupted"}},
		"stopped": {"ingot: the boot stops here: no disk\n", Heard{Boot: BootStopped, Detail: "ingot: the boot stops here: no disk"}},
		"again":   {"Linux version 6\ningot-node: health: etcd=3/3\nLinux version 6\n", Heard{Boot: BootKernel, Boots: 2}},
		"health": {
			"ingot-node: health: mesh=2/2 etcd=3/3\ningot-node: health: mesh=1/2 etcd=learner (since 12 s) api=ok =x y= node=NotReady\n",
			Heard{Health: map[string]string{"mesh": "1/2", "etcd": "learner", "api": "ok", "node": "NotReady"}},
		},
		"somebody else's": {"my-ingot-node-exporter: refused: no\n", Heard{}},
	} {
		t.Run(name, func(t *testing.T) {
			var whole, pieces ear
			whole.listen(c.said)
			for i := range c.said {
				pieces.listen(c.said[:i+1])
			}
			for how, e := range map[string]ear{"whole": whole, "in pieces": pieces} {
				if diff := cmp.Diff(c.want, e.heard); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

// FuzzHear: whatever a machine says, it is taken the same way in two pieces.
func FuzzHear(f *testing.F) {
	f.Add("Linux version 6\ningot-node: health: mesh=2/2\n", 5)
	f.Fuzz(func(t *testing.T, said string, at int) {
		var whole, pieces ear
		whole.listen(said)
		pieces.listen(said[:min(max(at, 0), len(said))])
		pieces.listen(said)
		if diff := cmp.Diff(whole.heard, pieces.heard); diff != "" {
			t.Error(diff)
		}
		if strings.Count(said, "\n") == 0 && whole.next != 0 {
			t.Error("a line without an end was taken")
		}
	})
}
