package packer_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// install puts a plugin where Packer finds it: by Packer's own command, which
// there is from 1.10.2 on, or else as docs/packer/README.md says.
func (w *world) install(t *testing.T, plugin, source string) {
	t.Helper()
	said := w.command(t, invocation{}, w.packer, "version").ok(t).stdout
	m := regexp.MustCompile(`v(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(said)
	if m == nil {
		t.Fatalf("%s is of no version: %s", w.packer, said)
	}
	version := 0
	for _, part := range m[1:] {
		n, err := strconv.Atoi(part)
		check(t, err)
		version = version*1000 + n
	}
	if version >= 1_010_002 {
		w.command(t, invocation{}, w.packer, "plugins", "install", "--path", plugin, source).ok(t)
		return
	}
	var described struct {
		Version string `json:"version"`
		API     string `json:"api_version"`
	}
	check(t, json.Unmarshal([]byte(w.command(t, invocation{}, plugin, "describe").ok(t).stdout), &described))
	folder := filepath.Join(w.dir, "plugins", filepath.FromSlash(source))
	check(t, os.MkdirAll(folder, 0o755))
	data, err := os.ReadFile(plugin)
	check(t, err)
	file := filepath.Join(folder, filepath.Base(plugin)+"_v"+described.Version+"_"+described.API+"_linux_amd64")
	check(t, os.WriteFile(file, data, 0o755))
	sum := sha256.Sum256(data)
	check(t, os.WriteFile(file+"_SHA256SUM", []byte(hex.EncodeToString(sum[:])), 0o644))
}
