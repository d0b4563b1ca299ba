package machine_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/lab/machine"
)

func TestArgv(t *testing.T) {
	flash := machine.Flash{Code: "/fw/code.fd", Vars: "/fw/vars.fd"}
	for name, cfg := range map[string]machine.Config{
		"smallest": {Name: "m"},
		"node": {
			Name: "lab0", Firmware: machine.UEFI, Flash: flash, Accel: machine.TCG, CPUs: 4, Memory: 3072,
			Disk:   machine.Disk{Image: "/img/lab.vmdk", Format: "vmdk", Size: 20 << 30},
			CDROMs: []string{"/iso/config,1.iso", "/iso/b.iso", "/iso/c.iso"},
			FWCfg:  []machine.FWCfg{{Name: "opt/com.coreos/config", File: "/n/user,data"}},
			Nets: []machine.Net{
				{Kind: machine.User, Forward: []machine.Forward{{Guest: 22}, {Guest: 6443, Host: 16443}}},
				{Kind: machine.Multicast, MAC: "52:54:00:00:00:01", Group: "239.192.0.1:5558"},
				{Kind: machine.Datagram, Local: "/s/a.sock", Remote: "/s/b.sock"},
			},
			NoReboot: true,
		},
		"sticks": {
			Name: "s", Accel: machine.TCG, Disk: machine.Disk{Size: 8 << 30, Serial: "A-1"}, CDROMs: []string{"/iso/a.iso"},
			Sticks: []string{"/iso/boot,1.iso", "/iso/config.iso"}, Boot: "stick0",
		},
		"cd": {Name: "c", Accel: machine.TCG, CDBus: machine.SCSI, CDROMs: []string{"/iso/a.iso", "/iso/b.iso"}, Boot: "cdrom1"},
		"network": {
			Name: "n", Accel: machine.TCG, Boot: "net1", Nets: []machine.Net{
				{Kind: machine.User},
				{
					Kind: machine.User, MAC: "52:54:00:00:00:01", File: "http://10.0.2.9:80/a,b.ipxe",
					Reach: []machine.Reach{{Address: "10.0.2.9:80", Command: "bash '/t/a,b.sh' 8470"}},
				},
			},
		},
		"direct": {
			Name: "k", Accel: machine.KVM, CDBus: machine.SCSI, CDROMs: []string{"/iso/a.iso"},
			Direct: machine.Direct{Kernel: "/k/vmlinuz", Initrd: "/k/initrd", Line: "console=ttyS0 quiet"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			golden.Check(t, filepath.Join("testdata", "argv", name), []byte(strings.Join(machine.Argv(cfg), "\n")+"\n"))
		})
	}
}

// TestStartRefuses has machines that QEMU is not even asked to start.
func TestStartRefuses(t *testing.T) {
	for want, cfg := range map[string]machine.Config{
		`name "a,b"`:               {Name: "a,b", Dir: "d"},
		`name ""`:                  {Dir: "d"},
		`no folder`:                {Name: "m"},
		`unknown firmware "efi"`:   {Name: "m", Dir: "d", Firmware: "efi"},
		`unknown acceleration "x"`: {Name: "m", Dir: "d", Accel: "x"},
		`unknown bus "sata"`:       {Name: "m", Dir: "d", CDBus: "sata"},
		`5 CD-ROM drives`:          {Name: "m", Dir: "d", CDROMs: make([]string, 5)},
		`-1 processors`:            {Name: "m", Dir: "d", CPUs: -1},
		`unknown format "ova"`:     {Name: "m", Dir: "d", Disk: machine.Disk{Image: "i", Format: "ova"}},
		`there is no drive or interface "stick1"`: {Name: "m", Dir: "d", Sticks: []string{"s"}, Boot: "stick1"},
		`without a kernel`:                        {Name: "m", Dir: "d", Direct: machine.Direct{Line: "quiet"}},
		`interface "net1"`:                        {Name: "m", Dir: "d", Nets: []machine.Net{{Kind: machine.User}}, Boot: "net1"},
		`no DHCP of its own`:                      {Name: "m", Dir: "d", Nets: []machine.Net{{Kind: machine.Datagram, File: "x"}}},
		`unknown kind "bridge"`:                   {Name: "m", Dir: "d", Nets: []machine.Net{{Kind: "bridge"}}},
	} {
		t.Chdir(t.TempDir())
		_, err := machine.Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "starting machine ") {
			t.Errorf("got %v, want an error with %q", err, want)
		}
		if left, _ := filepath.Glob("*"); left != nil {
			t.Errorf("%s: it left %q", want, left)
		}
	}
}
