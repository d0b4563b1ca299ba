package qemu

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// echoSector is the boot sector that testdata/echo.s describes, without its end.
const echoSector = "fa31c08ed88ed0bc007cba0206b80001efbe527cac84c07405e82500ebf6fbf4ba0006edf6c40174" +
	"07ba0406b80020efbafd03eca80174e6baf803ece80200ebef88c4bafd03eca82074f888e0baf803" +
	"eec372656164790d0a"

// EchoImage makes a qcow2 image of 1 MiB from which a machine starts in a
// second that says "ready" on its serial port and then what is typed there,
// and that goes off when its power button is pressed. So a test decides what
// its machines say.
func EchoImage(t testing.TB) string {
	t.Helper()
	tool := need.Tool(t, "qemu-img")
	disk := make([]byte, 1<<20)
	if _, err := hex.Decode(disk, []byte(echoSector)); err != nil {
		t.Fatal(err)
	}
	disk[510], disk[511] = 0x55, 0xaa
	dir := t.TempDir()
	raw, image := filepath.Join(dir, "echo.raw"), filepath.Join(dir, "echo.qcow2")
	if err := os.WriteFile(raw, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, "convert", "-f", "raw", "-O", "qcow2", raw, image).CombinedOutput(); err != nil {
		t.Fatalf("making the image: %v: %s", err, out)
	}
	return image
}
