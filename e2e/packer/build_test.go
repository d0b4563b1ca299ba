package packer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
)

// head is how every template begins.
const head = `
packer {
  required_plugins {
    ingot = {
      source  = "github.com/ingot-k8s/ingot"
      version = ">= 0.0.0"
    }
  }
}
`

// image is a template that bakes the cluster lab into the folder out, with more
// in its build.
func image(formats, more string) string {
	return head + fmt.Sprintf(`
source "ingot-image" "lab" {
  cluster          = "CLUSTERS/lab"
  output_directory = "out"
  formats          = [%s]
}
build {
  sources = ["source.ingot-image.lab"]
  %s
}
`, formats, more)
}

const allFormats = `"raw", "qcow2", "vmdk", "ova", "raw.gz"`

// checks: what is right passes, that which ships included, and nothing is made.
func checks(t *testing.T, w *world) {
	for _, command := range []string{"init", "validate", "inspect"} {
		dir := t.TempDir()
		r := w.template(t, invocation{dir: dir}, image(allFormats, ""), command).ok(t)
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("packer %s left %q", command, left)
		}
		if command == "inspect" {
			r.ended(t, 0, "ingot-image.lab")
		}
	}
	for _, shipped := range []string{"prod"} {
		dir := filepath.Join(t.TempDir(), shipped)
		check(t, os.CopyFS(dir, os.DirFS(filepath.Join("../../clusters", shipped))))
		w.command(t, invocation{}, w.packer, "validate", filepath.Join(dir, shipped+".pkr.hcl")).ok(t)
	}
}

// refused: what is wrong is found by packer validate, with its place.
func refused(t *testing.T, w *world) {
	bad := filepath.Join(t.TempDir(), "cluster.yaml")
	text, err := os.ReadFile(filepath.Join(w.dir, "clusters", "lab", "cluster.yaml"))
	check(t, err)
	text = bytes.Replace(text, []byte("192.0.2.11"), []byte("192.0.2.300"), 1)
	text = append(bytes.Replace(text, []byte("spares: 1"), []byte("spares: many"), 1), "unknown: 1\n"...)
	check(t, os.WriteFile(bad, text, 0o644))
	line := bytes.Count(text[:bytes.Index(text, []byte("192.0.2.300"))], []byte("\n")) + 1
	for name, test := range map[string]struct {
		change [2]string
		say    []string
	}{
		"definition": {[2]string{"CLUSTERS/lab", bad}, []string{
			fmt.Sprintf("cluster.yaml:%d:", line), "192.0.2.300", "spares", "unknown",
		}},
		"no definition":  {[2]string{"CLUSTERS/lab", "CLUSTERS/nowhere"}, []string{"nowhere", "no such file", "names the folder of a definition"}},
		"no name":        {[2]string{`cluster          = "CLUSTERS/lab"`, ""}, []string{`"cluster" must name the folder`, "test.pkr.hcl line 11"}},
		"argument":       {[2]string{"output_directory", "output_folder"}, []string{"test.pkr.hcl line 13", "output_folder"}},
		"format":         {[2]string{`"raw"`, `"tar"`}, []string{`unknown format "tar" (raw, qcow2, vmdk, ova, raw.gz)`}},
		"HCL":            {[2]string{`source "ingot-image" "lab" {`, `source "ingot-image" "lab"`}, []string{"test.pkr.hcl line 11"}},
		"no such plugin": {[2]string{`source "ingot-image"`, `source "ingot-picture"`}, []string{"ingot-picture"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(image(`"raw"`, ""), test.change[0], test.change[1], 1)
			w.template(t, invocation{}, text, "validate").ended(t, 1, test.say...)
		})
	}
}

// same: every format has the bytes that ingot images gives.
func same(t *testing.T, w *world) {
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, image(allFormats, ""), "build").ended(t, 0, "image lab-"+w.manifest.ID+": out/lab-"+w.manifest.ID+".raw")
	w.compare(t, filepath.Join(dir, "out"))
}

// compare expects the image of the world in a folder, and gives its manifest.
func (w *world) compare(t *testing.T, dir string) {
	t.Helper()
	made, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	check(t, err)
	for _, f := range builder.Formats() {
		want, _ := w.manifest.File(f)
		got, ok := made.File(f)
		if !ok || want.SHA256 == "" || got.SHA256 != want.SHA256 {
			t.Errorf("%s is %q, and %q by ingot images", f, got.SHA256, want.SHA256)
		}
	}
	found, err := builder.Check(t.Context(), made, dir)
	if err != nil || !found.Same() {
		t.Errorf("the files are not as the manifest says: %v %v", found.Damaged, err)
	}
}

// machineReadable: scripts get the artifact and the steps.
func machineReadable(t *testing.T, w *world) {
	r := w.template(t, invocation{}, image(`"raw"`, ""), "build", "-machine-readable").ok(t)
	for _, want := range []string{
		",ingot-image.lab,artifact,0,builder-id,ingot.image\n", ",artifact,0,id,lab-" + w.manifest.ID + "\n",
		",artifact,0,file,0,out/lab-" + w.manifest.ID + ".raw\n", ",step,root,",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
}

// recorded: Packer's own record of a build names the image and its files.
func recorded(t *testing.T, w *world) {
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, image(`"raw"`, `post-processor "manifest" {}`), "build").ok(t)
	data, err := os.ReadFile(filepath.Join(dir, "packer-manifest.json"))
	check(t, err)
	var record struct {
		Builds []struct {
			ID    string `json:"artifact_id"`
			Files []struct {
				Name string
				Size int64
			}
		}
	}
	check(t, json.Unmarshal(data, &record))
	raw, _ := w.manifest.File(builder.Raw)
	if b := record.Builds; len(b) != 1 || b[0].ID != "lab-"+w.manifest.ID || b[0].Files[0].Name != "out/"+raw.Name || b[0].Files[0].Size != raw.Size {
		t.Errorf("it is recorded as %s", data)
	}
}

// destroyed: an artifact that a post-processor takes the place of is gone with
// all its files.
func destroyed(t *testing.T, w *world) {
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, image(`"raw"`, `
  post-processor "artifice" {
    files               = ["test.txt"]
    keep_input_artifact = false
  }`), "build").ok(t)
	if left := names(t, filepath.Join(dir, "out")); len(left) > 0 {
		t.Errorf("it left %q", left)
	}
}

// interrupted: Ctrl-C, which a terminal sends to all of the group, and the end
// that a pipeline asks Packer for, end a build soon and leave nothing at all.
func interrupted(t *testing.T, w *world) {
	sleep := `provisioner "shell" { inline = ["echo asleep", "sleep 1000"] }`
	for name, test := range map[string]struct {
		more, after string
		kill        func(pid int) error
	}{
		"Ctrl-C":               {"", "root: packing", func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }},
		"terminated":           {"", "root: packing", func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }},
		"Ctrl-C, provisioning": {sleep, "asleep", func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir, tmp, cache := t.TempDir(), t.TempDir(), w.cloneCache(t, "root")
			var at time.Time
			r := w.template(t, invocation{dir: dir, tmp: tmp, cache: cache, during: func(p *os.Process, said func() string) {
				for !strings.Contains(said(), test.after) && syscall.Kill(p.Pid, 0) == nil {
					time.Sleep(50 * time.Millisecond)
				}
				at = time.Now()
				check(t, test.kill(p.Pid))
			}}, image(allFormats, test.more), "build")
			r.ended(t, 1, "Cleanly cancelled builds after being interrupted")
			if took := time.Since(at); took > 30*time.Second {
				t.Errorf("it took %s to end", took)
			}
			for _, folder := range []string{filepath.Join(dir, "out"), filepath.Join(cache, "tmp"), tmp} {
				if left := names(t, folder); len(left) > 0 {
					t.Errorf("it left %q in %s", left, folder)
				}
			}
			if left := processes(t, cache, dir, tmp); len(left) > 0 {
				t.Errorf("these run on: %q", left)
			}
		})
	}
}

// processes lists the command lines of this machine that name a folder.
func processes(t *testing.T, folders ...string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(t, err)
	var out []string
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "environ"))
		if filepath.Dir(file) == fmt.Sprintf("/proc/%d", os.Getpid()) {
			continue
		}
		if slices.ContainsFunc(folders, func(f string) bool { return bytes.Contains(append(line, environ...), []byte(f)) }) {
			out = append(out, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return out
}

// parallel: two clusters at once, and -only one of them.
func parallel(t *testing.T, w *world) {
	other := filepath.Join(t.TempDir(), "lab")
	check(t, os.CopyFS(other, os.DirFS(filepath.Join(w.dir, "clusters", "lab"))))
	file := filepath.Join(other, "cluster.yaml")
	text, err := os.ReadFile(file)
	check(t, err)
	check(t, os.WriteFile(file, append(text, "files: [{path: /etc/motd, content: other}]\n"...), 0o644))
	template := head + fmt.Sprintf(`
source "ingot-image" "one" {
  cluster          = "CLUSTERS/lab"
  output_directory = "one"
  formats          = ["raw"]
}
source "ingot-image" "two" {
  cluster          = %q
  output_directory = "two"
  formats          = ["raw"]
}
build {
  sources = ["source.ingot-image.one", "source.ingot-image.two"]
}
`, other)
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, template, "build").ok(t)
	one, err := builder.ReadManifest(filepath.Join(dir, "one", builder.ManifestFile))
	check(t, err)
	two, err := builder.ReadManifest(filepath.Join(dir, "two", builder.ManifestFile))
	check(t, err)
	if one.ID != w.manifest.ID || two.ID == one.ID {
		t.Errorf("got %s and %s, want %s and another", one.ID, two.ID, w.manifest.ID)
	}
	dir = t.TempDir()
	w.template(t, invocation{dir: dir}, template, "build", "-only", "ingot-image.two").ok(t)
	if got := names(t, dir); !slices.Equal(got, []string{"two"}) {
		t.Errorf("-only made %q", got)
	}
}
