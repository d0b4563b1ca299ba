package serve_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
)

// What is written is what is served, and a machine that starts from it knows its
// medium and has no identity.
func TestWrite(t *testing.T) {
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", files()), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	dir := filepath.Join(t.TempDir(), "prod")
	if paths, err := medium.Write(t.Context(), dir, "http://192.0.2.2/prod/", true); err != nil || len(paths) != 6 {
		t.Fatalf("a dry run: %q, %v", paths, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a dry run writes")
	}
	for range 2 { // again, over what is there
		paths, err := medium.Write(t.Context(), dir, "http://192.0.2.2/prod/", false)
		if err != nil || len(paths) != 6 || filepath.Base(paths[5]) != "boot.ipxe" {
			t.Fatalf("got %q, %v", paths, err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"vmlinuz", "initrd", "boot.initrd"} {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != files()[name] {
			t.Errorf("%s is another, %v", name, err)
		}
	}
	script, err := os.ReadFile(filepath.Join(dir, "boot.ipxe"))
	must(t, err)
	line, err := fetch.ParseLine(string(script))
	want := fetch.Line{Medium: "http://192.0.2.2/prod/boot.iso", SHA256: medium.SHA256("boot.iso"), Size: medium.Size("boot.iso")}
	if err != nil || *line != want {
		t.Errorf("the script says %+v, %v\n%s", line, err, script)
	}
}

func TestWriteRefuses(t *testing.T) {
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", files()), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	dir := filepath.Join(t.TempDir(), "prod")
	for _, address := range []string{"", "192.0.2.2", "https://192.0.2.2/", "http://me:x@192.0.2.2/", "http://192.0.2.2/?x", "http://192.0.2.2/${uuid}", "http://192.0.2.2/a b"} {
		if _, err := medium.Write(t.Context(), dir, address, false); err == nil || !strings.Contains(err.Error(), "is not the address of a folder") {
			t.Errorf("%q: got %v", address, err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder is left")
	}
}
