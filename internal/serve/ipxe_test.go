package serve_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// kernelSetup is what testdata/kernel.s describes, from 0x1f1 to its last byte
// that is not zero.
const kernelSetup = "0100000000000000000000000055aaeb3e48647253060200000000000000000001000000001000000000000000000000000000" +
	"0000000000000000ffffff370010000000000000ff07000000000000fc66a128026689c666c1e8048ec083e60f268a0446" +
	"84c07405e82c00ebf3b00ae82500668b1e1c02b9080066c1c30488d8240f04303c3976020427e80a00e2ebb00ae80300f4eb" +
	"fd88c4bafd03eca82074fb88e0baf803eec3"

func tinyKernel(t *testing.T) string {
	t.Helper()
	kernel := make([]byte, 0x600)
	if n, err := hex.Decode(kernel[0x1f1:], []byte(kernelSetup)); err != nil || n != len(kernelSetup)/2 {
		t.Fatal(n, err)
	}
	return string(kernel)
}

// fromNetwork is a machine that starts from the server alone, by the iPXE of
// QEMU's network cards.
func (w *world) fromNetwork(mac string) machine.Config {
	w.t.Helper()
	const at = "10.0.2.9:8470"
	qemu.NetworkROM(w.t)
	return machine.Config{Name: "ipxe", Memory: 512, Boot: "net0", Nets: []machine.Net{{
		Kind: machine.User, MAC: mac, File: "http://" + at + serve.PathScript, Reach: []machine.Reach{qemu.Reach(w.t, at, w.at)},
	}}}
}

// TestIPXE has real iPXE start a machine by BIOS: what its kernel is given is
// what the server means.
func TestIPXE(t *testing.T) {
	content := files()
	content["vmlinuz"] = tinyKernel(t)
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", content), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	w := newWorld(t, func(c *serve.Config) { c.Medium = medium })
	m := qemu.Start(t, w.fromNetwork(mac0))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	line := regexp.QuoteMeta("initrd=initrd " + w.server.Line("10.0.2.9:8470"))
	if _, err := m.Console().Expect(ctx, regexp.MustCompile(line)); err != nil {
		t.Fatal(err)
	}
	size := len(w.get("/machine.initrd?mac=" + mac0))
	if _, err := m.Console().Expect(ctx, regexp.MustCompile(fmt.Sprintf("^%08x", size))); err != nil {
		t.Error(err)
	}
	if e := w.last(serve.Offered); e.Node != "lab0" || e.MAC != mac0 {
		t.Errorf("the server tells %+v", e)
	}
	for _, word := range regexp.MustCompile(`[0-9a-f]{64}`).FindAllString(m.Console().Text(), -1) {
		if word != medium.SHA256(serve.NameMedium) && word != w.server.Pin() {
			t.Errorf("the console has %s, which may be the token", word)
		}
	}
}

// TestIPXEByUEFI: iPXE of UEFI runs the script, and says which machine it is.
// Another kernel than this one it would start.
func TestIPXEByUEFI(t *testing.T) {
	asked := make(chan serve.Event, 100)
	w := newWorld(t, func(c *serve.Config) {
		c.Next = []string{"lab2"}
		c.Log = func(e serve.Event) { asked <- e }
	})
	cfg := w.fromNetwork(macNew)
	cfg.Firmware = machine.UEFI
	qemu.Start(t, cfg)
	late := time.After(4 * time.Minute)
	for {
		select {
		case e := <-asked:
			if e.Kind == serve.Started {
				if e.Node != "lab2" || e.MAC != macNew {
					t.Errorf("the server tells %+v", e)
				}
				return
			}
		case <-late:
			t.Fatal("the machine does not ask for its script")
		}
	}
}

// TestIPXEFromFiles: by the files for another web server, of which iPXE puts two
// initrds into one.
func TestIPXEFromFiles(t *testing.T) {
	content := files()
	content["vmlinuz"] = tinyKernel(t)
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", content), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	dir := t.TempDir()
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(web.Close)
	w := &world{t: t, at: web.Listener.Addr().String()}
	_, err = medium.Write(t.Context(), dir, "http://10.0.2.9:8470", false)
	must(t, err)
	m := qemu.Start(t, w.fromNetwork(mac0))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	line := regexp.QuoteMeta("initrd=boot.initrd " + medium.Line + " ingot.boot=auto ingot.medium=http://10.0.2.9:8470/boot.iso ingot.medium.sha256=" + medium.SHA256("boot.iso"))
	if _, err := m.Console().Expect(ctx, regexp.MustCompile(line)); err != nil {
		t.Fatal(err)
	}
	size, err := m.Console().Expect(ctx, regexp.MustCompile(`^([0-9a-f]{8})`))
	must(t, err)
	both := int64(len(content["initrd"]) + len(content["boot.initrd"]))
	if n, err := strconv.ParseInt(size.Match[1], 16, 64); err != nil || n < both || n > both+2*4096 {
		t.Errorf("the kernel has %d bytes of initrds (%v), and there are %d", n, err, both)
	}
}
