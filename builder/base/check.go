package base

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"sort"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

func sha(data []byte) [sha256.Size]byte { return sha256.Sum256(data) }

// statusFile is dpkg's list of what is installed.
const statusFile = "var/lib/dpkg/status"

// check compares what is installed in a base with the lock.
func (c *Config) check(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("checking base: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("checking base: it has no %s", statusFile)
		}
		if err != nil {
			return fmt.Errorf("checking base: %w", err)
		}
		if path.Clean(h.Name) != statusFile {
			continue
		}
		return compare(r, c.Lock.Debian.Packages)
	}
}

// compare looks for packages of a dpkg status file that are not as locked.
func compare(status io.Reader, packages []lock.Package) error {
	want := map[string]string{}
	for _, p := range packages {
		want[p.Name] = p.Version
	}
	var wrong []string
	name, state := "", ""
	lines := bufio.NewScanner(status)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "Package":
			name = value
		case "Status":
			state = value
		case "Version":
			if want[name] != value || state != "install ok installed" {
				wrong = append(wrong, fmt.Sprintf("%s %s is %q, locked is %q", name, value, state, want[name]))
			}
			delete(want, name)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("checking base: %w", err)
	}
	for name, version := range want {
		wrong = append(wrong, fmt.Sprintf("%s %s is missing", name, version))
	}
	if len(wrong) > 0 {
		sort.Strings(wrong)
		return fmt.Errorf("checking base: %s", strings.Join(wrong, "; "))
	}
	return nil
}
