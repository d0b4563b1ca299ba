package packer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/tree"
)

// changed: what Packer's own provisioners do is in the image, and the same
// changes give the same image, of which the root comes from the cache.
func changed(t *testing.T, w *world) {
	files := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(files, "conf", "below"), 0o755))
	check(t, os.WriteFile(filepath.Join(files, "conf", "below", "a.conf"), []byte("a=1\n"), 0o640))
	steps := `
  provisioner "shell" {
    inline = [
      "test \"$(id -u)\" = 0",
      "echo hello >/etc/greeting",
      "rm /etc/issue.net",
      "chmod 0700 /usr/share/base-files",
      "useradd --system --uid 799 --no-create-home tester",
      "install -d -o tester /var/lib/tester",
      "date >/tmp/now; date >/var/log/dpkg.log",
    ]
  }
  provisioner "file" {
    source      = "` + files + `/conf"
    destination = "/etc"
  }
  provisioner "file" {
    content     = "by content"
    destination = "/usr/lib/tester.txt"
  }
  provisioner "file" {
    source      = "/etc/greeting"
    destination = "greeting"
    direction   = "download"
  }`
	var sums []string
	for range 2 {
		dir := t.TempDir()
		r := w.template(t, invocation{dir: dir}, image(`"raw"`, steps), "build").ended(t, 0, "changed by provisioners")
		m, err := builder.ReadManifest(filepath.Join(dir, "out", builder.ManifestFile))
		check(t, err)
		if m.ID == w.manifest.ID || m.Inputs.Changes == "" {
			t.Errorf("image %s is not told from one without changes (%q)", m.ID, m.Inputs.Changes)
		}
		raw, _ := m.File(builder.Raw)
		if sums = append(sums, raw.SHA256); len(sums) == 2 {
			if !fromCache.MatchString(r.stdout) {
				t.Errorf("the root was made again:\n%s", r.stdout)
			}
		}
		if text, err := os.ReadFile(filepath.Join(dir, "greeting")); err != nil || string(text) != "hello\n" {
			t.Errorf("downloaded %q: %v", text, err)
		}
		inRoot(t, filepath.Join(dir, "out"))
		// Nobody else can bake it again, and is told so.
		w.command(t, invocation{dir: w.dir}, w.ingot, "verify", filepath.Join(dir, "out")).
			ended(t, 3, "another input: what others changed in the base")
	}
	if sums[0] != sums[1] {
		t.Error("the same changes gave another image")
	}
}

// fromCache is what a build says of a root that it did not make.
var fromCache = regexp.MustCompile(`: root +[0-9.]+ s, from the cache\n`)

// inRoot expects in the root of an image what changed did.
func inRoot(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "files.json"))
	check(t, err)
	var list struct{ Root *tree.Index }
	check(t, json.Unmarshal(data, &list))
	for path, want := range map[string]tree.Node{
		"/etc/greeting":          {Mode: 0o644, Size: 6},
		"/etc/conf/below/a.conf": {Mode: 0o640, Size: 4},
		"/usr/lib/tester.txt":    {Mode: 0o600, Size: 10},
		"/usr/share/base-files":  {Mode: 0o700},
		"/etc/issue":             {Mode: 0o644, Size: 27},
	} {
		got, is := list.Root.Find(path)
		if !is || got.Mode != want.Mode || got.Size != want.Size || got.UID != 0 || got.GID != 0 {
			t.Errorf("%s is %+v, want %+v", path, got, want)
		}
	}
	for _, path := range []string{"/etc/issue.net", "/tmp/now", "/var/log/dpkg.log"} {
		if _, is := list.Root.Find(path); is {
			t.Errorf("the image has %s", path)
		}
	}
	if !strings.Contains(list.Root.Accounts.Users, "tester:x:799:") {
		t.Error("the image has no user tester")
	}
}

// unchanged: provisioners that change nothing of the image give the same bytes.
func unchanged(t *testing.T, w *world) {
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, image(allFormats, `
  provisioner "shell" {
    inline = ["touch /etc/passwd /usr", "cp /etc/group /etc/group.new", "mv /etc/group.new /etc/group", "echo x >/tmp/x", "cat /proc/self/status >/dev/null"]
  }`), "build").ended(t, 0, "0 paths written, 0 removed")
	w.compare(t, filepath.Join(dir, "out"))
}

// failed: what provisioners may not do, and how it ends.
func failed(t *testing.T, w *world) {
	for name, test := range map[string]struct {
		inline string
		args   []string
		say    []string
	}{
		"status":       {`"echo so far", "exit 7"`, nil, []string{"so far", "Script exited with non-zero exit status: 7"}},
		"cleanup":      {`"false"`, []string{"-on-error=cleanup"}, []string{"exit status: 1"}},
		"private key":  {`"openssl genpkey -algorithm ed25519 -out /etc/own.key 2>/dev/null || ssh-keygen -q -t ed25519 -N '' -f /etc/own.key"`, nil, []string{"/etc/own.key"}},
		"device":       {`"mkfifo /etc/pipe"`, nil, []string{"/etc/pipe is a device, a pipe or a socket"}},
		"of the image": {`"mkdir -p /usr/lib/systemd/system", "echo x >/usr/lib/systemd/system/kubelet.service"`, nil, []string{"/usr/lib/systemd/system/kubelet.service was changed in the base"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, tmp := t.TempDir(), t.TempDir()
			w.template(t, invocation{dir: dir, tmp: tmp}, image(`"raw"`, `provisioner "shell" { inline = [`+test.inline+`] }`),
				append([]string{"build"}, test.args...)...).ended(t, 1, test.say...)
			for _, folder := range []string{filepath.Join(dir, "out"), tmp} {
				if left := names(t, folder); len(left) > 0 {
					t.Errorf("it left %q in %s", left, folder)
				}
			}
		})
	}
	t.Run("abort", func(t *testing.T) {
		tmp := t.TempDir()
		w.template(t, invocation{tmp: tmp}, image(`"raw"`, `provisioner "shell" { inline = ["echo here >/etc/looked-at", "false"] }`),
			"build", "-on-error=abort").ended(t, 1, "the tree stays, and is yours to remove: "+tmp)
		found, err := filepath.Glob(filepath.Join(tmp, "ingot-workshop-*", "tree", "etc", "looked-at"))
		check(t, err)
		if len(found) != 1 {
			t.Errorf("the tree is not there: %q", names(t, tmp))
		}
	})
}
