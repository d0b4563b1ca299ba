package ignition_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
)

// fakeVMware stands for VMware's command: it keeps guestinfo in a file.
const fakeVMware = `#!/bin/sh
store=$INGOT_ROOT/guestinfo
[ "$1" = --cmd ] && shift
case $1 in
"info-get guestinfo.ingot.identity.bundle") cat "$store" ;;
"info-set guestinfo.ingot.identity.bundle "*) printf %s "${1##* }" >"$store" ;;
*) exit 1 ;;
esac
`

// fakeMount stands for mount and umount: it shows a folder in place of a
// drive. The real ones are tested in TestIgnitionEngine.
const fakeMount = `#!/bin/sh
for drive; do :; done
case $0 in
*/umount) rm -rf "${drive:?}"/* ;;
*) device=$(eval "echo \${$(($# - 1))}") && cp -r "$device"/. "$drive" ;;
esac
`

// TestFetch finds the bundle in each place that it may be in.
func TestFetch(t *testing.T) {
	id := shipped(t, "prod").identity(t, "worker9")
	bundle, err := id.Bundle()
	if err != nil {
		t.Fatal(err)
	}
	put := func(t *testing.T, root, path, content string) {
		install(t, root, []ignition.File{{Path: path, Mode: 0o644, Data: []byte(content)}})
	}
	for name, tc := range map[string]struct {
		place func(t *testing.T, root string)
		says  string // empty for success
	}{
		"fw_cfg": {func(t *testing.T, root string) {
			put(t, root, "/sys/firmware/qemu_fw_cfg/by_name/opt/org.ingot/identity.bundle/raw", string(bundle))
		}, ""},
		"config drive": {func(t *testing.T, root string) {
			put(t, root, "/dev/disk/by-label/config-2/ingot/identity.bundle", string(bundle))
		}, ""},
		"another's drive, then ours": {func(t *testing.T, root string) {
			put(t, root, "/dev/disk/by-label/config-2/openstack/latest/user_data", "")
			put(t, root, "/dev/disk/by-label/cidata/ingot/identity.bundle", string(bundle))
		}, ""},
		"VMware": {func(t *testing.T, root string) {
			put(t, root, "/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")
			put(t, root, "/guestinfo", base64.StdEncoding.EncodeToString(bundle))
		}, ""},
		"run": {func(t *testing.T, root string) { put(t, root, "/run/ingot/identity.bundle", string(bundle)) }, ""},

		"nowhere": {func(*testing.T, string) {}, "no bundle found"},
		"other drive": {func(t *testing.T, root string) {
			put(t, root, "/dev/disk/by-label/config-2/ingot/identity.bundle", "other")
		}, "the drive config-2 is not the one that is wanted"},
		"other machine": {func(t *testing.T, root string) {
			put(t, root, "/guestinfo", base64.StdEncoding.EncodeToString(bundle)) // and no VMware
		}, "no bundle found"},
		"cleared": {func(t *testing.T, root string) {
			put(t, root, "/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")
			put(t, root, "/guestinfo", "-")
		}, "no bundle found"},
	} {
		for shellName, sh := range unpackers(t) {
			t.Run(name+"/"+shellName, func(t *testing.T) {
				root := machine(t, id, false)
				shim := t.TempDir()
				for tool, text := range map[string]string{"vmtoolsd": fakeVMware, "mount": fakeMount, "umount": fakeMount, "udevadm": "#!/bin/sh\n", "modprobe": "#!/bin/sh\n"} {
					if err := os.WriteFile(filepath.Join(shim, tool), []byte(text), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				sh.path = shim + ":" + sh.path
				tc.place(t, root)
				said, err := sh.run(t, root, unpack)
				if tc.says != "" {
					if err == nil || !strings.Contains(said, tc.says) {
						t.Errorf("got %v, said %q, want it to say %q", err, said, tc.says)
					}
					return
				}
				if err != nil {
					t.Fatalf("%v: %s", err, said)
				}
				checkUnpacked(t, root, bundled(id))
				if left, err := os.ReadFile(filepath.Join(root, "guestinfo")); err == nil && string(left) != "-" {
					t.Error("the bundle is still in guestinfo, where every user can read it")
				}
				if left, err := filepath.Glob(filepath.Join(root, "run/ingot/*")); err != nil || len(left) > 0 {
					t.Errorf("it left %q (%v)", left, err)
				}
			})
		}
	}
}
