package ignition_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// withBoot is an identity of a node that says something to the boot ISO.
func withBoot(t *testing.T) *ignition.Identity {
	t.Helper()
	id := *shipped(t, "prod").identity(t, "worker9")
	if id.Boot != nil {
		t.Fatal("the shipped cluster says something to the boot ISO")
	}
	id.Boot = &setting.Setting{Install: &setting.Install{Disk: "/dev/disk/by-id/ata-Model_S1", Overwrite: "S1"}}
	return &id
}

// TestBootSetting: every volume of the node has it, and nothing else of the
// identity changes; without it, the volumes are those of ever.
func TestBootSetting(t *testing.T) {
	both(t, withBoot(t), func(t *testing.T, id *ignition.Identity) {
		want, err := id.Boot.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got := outputs(t, id)
		if again := outputs(t, id); !bytes.Equal(again[ignition.NameConfigISO], got[ignition.NameConfigISO]) {
			t.Error("two runs differ")
		}
		plain := *id
		plain.Boot = nil
		without := outputs(t, &plain)
		for name, data := range got {
			if !strings.HasSuffix(name, ".iso") {
				if !bytes.Equal(data, without[name]) {
					t.Errorf("%s changes", name)
				}
				continue
			}
			if bytes.Equal(data, without[name]) || bytes.Contains(without[name], []byte("boot.json")) {
				t.Errorf("%s does not change, or has it without a wish", name)
			}
			if file, err := os.ReadFile(filepath.Join(extract(t, data), "ingot/boot.json")); err != nil || !bytes.Equal(file, want) {
				t.Errorf("%s has %q: %v", name, file, err)
			}
		}
		if len(got) != len(without) {
			t.Errorf("%d files, and %d without it", len(got), len(without))
		}
	})
}

// TestInspectBoot: a person sees what a machine would do to its disks.
func TestInspectBoot(t *testing.T) {
	for text, want := range map[string]string{
		`{"install":{"disk":"smallest"}}`:                 "on the boot ISO: install to the disk smallest, if it is empty\n",
		`{"install":{"disk":"first","overwrite":"S-12"}}`: "on the boot ISO: install to the disk first, and overwrite what it holds if its serial number is S-12\n",
		`{"run":{"disk":"first"}}`:                        "on the boot ISO: run, with the state on the disk that has it, or on the disk first if it is empty\n",
		`{"install":{"disk":"sda"}}`:                      `install.disk: "sda" names no disk; want /dev/disk/by-id/NAME, smallest or first: the boot ISO refuses it`,
	} {
		var iso, out bytes.Buffer
		err := configiso.Write(&iso, configiso.Volume{Label: "cidata", Time: epoch0, Files: []configiso.File{
			{Path: "user-data", Data: []byte("#cloud-config\n")}, {Path: "meta-data", Data: []byte("instance-id: a\n")}, {Path: setting.Path, Data: []byte(text)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		found, err := ignition.Inspect(bytes.NewReader(iso.Bytes()), int64(iso.Len()), epoch0)
		if err != nil {
			t.Fatal(err)
		}
		if err := found.Write(&out); err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{want, "yes  the boot ISO"} {
			if !strings.Contains(out.String(), w) {
				t.Errorf("%s: it does not say %q:\n%s", text, w, out.String())
			}
		}
	}
}
