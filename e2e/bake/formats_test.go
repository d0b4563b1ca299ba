package bake_test

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"
)

// formats holds the real image, in every format, against the programs that
// will read it.
func formats(t *testing.T, w *world) {
	dir := images(w.out, "lab")
	want := []string{"SHA256SUMS", "files.json", "latest", "manifest.json", "sbom.spdx.json"}
	for _, f := range builder.Formats() {
		want = append(want, filepath.Base(w.path(t, f)), "latest."+string(f))
	}
	slices.Sort(want)
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
	sums := exec.CommandContext(t.Context(), need.Tool(t, "sha256sum"), "--strict", "-c", "SHA256SUMS")
	sums.Dir = dir
	if out, err := sums.CombinedOutput(); err != nil || strings.Count(string(out), ": OK") != len(w.manifest.Files) {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}

	raw, qcow2, vmdk := w.path(t, builder.Raw), w.path(t, builder.QCOW2), w.path(t, builder.VMDK)
	command(t, "qemu-img", "check", "-f", "qcow2", qcow2)
	command(t, "qemu-img", "check", "-f", "vmdk", vmdk)
	command(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, qcow2)
	command(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, vmdk)
	command(t, "qemu-img", "compare", "-f", "raw", "-F", "vmdk", raw, ova(t, w.path(t, builder.OVA)))
	packed(t, w)
	if out := command(t, "sgdisk", "-v", raw); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk: %s", out)
	}
	partitions(t, w)
}

// ova checks the hashes in an OVA's own manifest, and gives its disk.
func ova(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	inside := strings.Fields(command(t, "tar", "-xvf", path, "-C", dir))
	if len(inside) != 3 || filepath.Ext(inside[0]) != ".ovf" {
		t.Fatalf("the OVA has %q", inside)
	}
	disk := ""
	for _, name := range inside {
		switch filepath.Ext(name) {
		case ".vmdk":
			disk = filepath.Join(dir, name)
		case ".mf":
			data, err := os.ReadFile(filepath.Join(dir, name))
			check(t, err)
			lines := strings.Split(strings.TrimSpace(string(data)), "\n")
			if len(lines) != 2 {
				t.Errorf("its manifest has the lines %q", lines)
			}
			for _, line := range lines {
				of, sum, ok := strings.Cut(strings.TrimPrefix(line, "SHA256("), ")= ")
				if !ok || sum != sumOf(t, filepath.Join(dir, of)) {
					t.Errorf("its manifest says %q", line)
				}
			}
		}
	}
	return disk
}

// packed unpacks the compressed raw image.
func packed(t *testing.T, w *world) {
	t.Helper()
	path := w.path(t, builder.RawGZ)
	command(t, "gzip", "-t", path)
	f, err := os.Open(path)
	check(t, err)
	defer func() { _ = f.Close() }()
	r, err := gzip.NewReader(bufio.NewReader(f))
	check(t, err)
	h := sha256.New()
	_, err = io.Copy(h, r)
	check(t, err)
	if raw, _ := w.manifest.File(builder.Raw); hex.EncodeToString(h.Sum(nil)) != raw.SHA256 {
		t.Error("unpacked, raw.gz is not raw")
	}
}

// partitions takes the disk apart, by what the manifest says.
func partitions(t *testing.T, w *world) {
	t.Helper()
	disk, err := os.Open(w.path(t, builder.Raw))
	check(t, err)
	defer func() { _ = disk.Close() }()
	dir, part := t.TempDir(), map[string]string{}
	for _, p := range w.manifest.Partitions {
		part[p.Label] = filepath.Join(dir, p.Label)
		f, err := os.Create(part[p.Label])
		check(t, err)
		_, err = io.Copy(f, io.NewSectionReader(disk, p.Offset, p.Size))
		check(t, err)
		check(t, f.Close())
		info := command(t, "sgdisk", "-i", string(rune('0'+p.Number)), disk.Name())
		if !strings.Contains(info, "Partition unique GUID: "+strings.ToUpper(p.GUID)) || !strings.Contains(info, "'"+p.Label+"'") {
			t.Errorf("partition %d is not as the manifest says:\n%s", p.Number, info)
		}
	}
	if len(part) != 6 {
		t.Fatalf("the manifest has the partitions %v", w.manifest.Partitions)
	}
	command(t, "fsck.vfat", "-n", part["esp"])
	for _, tree := range w.manifest.Trees {
		data, hashes := part[tree.Label], part[tree.Label+"-verity"]
		command(t, "veritysetup", "verify", data, hashes, tree.RootHash)
		if !strings.Contains(w.manifest.Kernel, "ingot."+tree.Label+"="+tree.RootHash) {
			t.Errorf("the kernel line %q does not have the hash of %s", w.manifest.Kernel, tree.Label)
		}
		if said := command(t, "unsquashfs", "-s", data); !strings.Contains(said, "Compression zstd") {
			t.Errorf("unsquashfs: %s", said)
		}
		file, err := os.OpenFile(data, os.O_RDWR, 0)
		check(t, err)
		_, err = file.WriteAt([]byte{0xff}, tree.Size/2)
		check(t, err)
		check(t, file.Close())
		if err := exec.CommandContext(t.Context(), need.Tool(t, "veritysetup"), "verify", data, hashes, tree.RootHash).Run(); err == nil {
			t.Errorf("veritysetup does not see a changed byte of %s", tree.Label)
		}
	}
}

// bill holds the bill of materials against the schema of the SPDX project and
// its library.
func bill(t *testing.T, w *world) {
	path := filepath.Join(images(w.out, "lab"), "sbom.spdx.json")
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	schema, err := compiler.Compile("../../builder/sbom/testdata/spdx-2.3.schema.json")
	check(t, err)
	f, err := os.Open(path)
	check(t, err)
	defer func() { _ = f.Close() }()
	value, err := jsonschema.UnmarshalJSON(f)
	check(t, err)
	if err := schema.Validate(value); err != nil {
		t.Errorf("the schema refuses it: %v", err)
	}
	_, err = f.Seek(0, io.SeekStart)
	check(t, err)
	parsed, err := spdxjson.Read(f)
	check(t, err)
	if err := spdxlib.ValidateDocument(parsed); err != nil {
		t.Errorf("the SPDX library refuses it: %v", err)
	}
	has := map[string]bool{}
	for _, p := range parsed.Packages {
		has[p.PackageName] = true
	}
	for _, name := range []string{"tinc", "containerd", "k8s.io/kubernetes", "ingot-node"} {
		if !has[name] {
			t.Errorf("it does not have %s", name)
		}
	}
	if data, err := os.ReadFile(path); err != nil || !json.Valid(data) || parsed.DocumentName != "lab-"+w.manifest.ID {
		t.Errorf("it is about %q, %v", parsed.DocumentName, err)
	}
}

func sumOf(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	check(t, err)
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	check(t, err)
	return hex.EncodeToString(h.Sum(nil))
}
