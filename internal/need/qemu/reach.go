package qemu

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// connect carries a connection to a port of this host.
const connect = `exec 3<>"/dev/tcp/127.0.0.1/$1" 4<&0
cat <&4 >&3 &
cat <&3
kill %1
`

// Reach lets a machine reach a server of this host, that listens on a loopback
// address, at an address and port of its own network.
func Reach(t testing.TB, address, server string) machine.Reach {
	t.Helper()
	bash := need.Tool(t, "bash")
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "connect.sh")
	if err := os.WriteFile(script, []byte(connect), 0o600); err != nil {
		t.Fatal(err)
	}
	return machine.Reach{Address: address, Command: "'" + bash + "' '" + script + "' " + port}
}

// NetworkROM continues only where QEMU's network cards have iPXE in their ROMs.
func NetworkROM(t testing.TB) {
	t.Helper()
	need.File(t, "/usr/lib/ipxe/qemu/efi-virtio.rom")
}
