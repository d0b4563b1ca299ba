package etcd

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Paths below the root.
const (
	dataDir   = "var/lib/etcd"
	memberDir = dataDir + "/member" // etcd's own, with its log and its database
	// recordPath lies within etcd's own folder, so that it is lost whenever the
	// data is: with the disk, and where a person removes the folder.
	recordPath = memberDir + "/ingot.json"
	leftPath   = dataDir + "/left.json"
)

// maxFile bounds what is read of a file, in bytes.
const maxFile = 1 << 20

// record is what a node remembers about its data folder.
type record struct {
	// Nonce is the folder's own: another folder has another.
	Nonce string `json:"nonce"`
	// Definition and Vector say what was agreed: the nonces of all controllers
	// of that definition, in its order.
	Definition string   `json:"definition,omitempty"`
	Vector     []string `json:"vector,omitempty"`
	// Joining is the member that was added to a cluster for this folder.
	Joining ID `json:"joining,omitzero"`
	// Started says that etcd has had data in this folder.
	Started bool `json:"started,omitempty"`
}

// agreed reports whether the record is of an agreement under a definition.
func (r *record) agreed(f *Facts) bool {
	return r.Definition == f.Definition && len(r.Vector) == len(f.Controllers) && r.Vector[f.Self] == r.Nonce
}

// left is what a node remembers about its leaving.
type left struct {
	// Done is false until the member was removed and the data moved aside.
	Done bool `json:"done"`
	// Boot is the boot in which it was begun.
	Boot string    `json:"boot"`
	Time time.Time `json:"time"`
}

func newNonce() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// readRecord is nil where there is none.
func readRecord(root string) (*record, error) { return readJSON[record](root, recordPath) }

func readLeft(root string) (*left, error) { return readJSON[left](root, leftPath) }

func readJSON[T any](root, path string) (*T, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, path), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, fmt.Errorf("reading /%s: %w", path, err)
	}
	return v, nil
}

// write makes a record last before it returns.
func (r *record) write(root string) error {
	if err := makeMemberDir(root); err != nil {
		return err
	}
	return writeJSON(root, recordPath, r)
}

func writeJSON(root, path string, v any) error {
	data, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(root, path), append(data, '\n'), 0o600)
}

// makeMemberDir makes etcd's own folder, for the user who has the one above.
func makeMemberDir(root string) error {
	data, member := filepath.Join(root, dataDir), filepath.Join(root, memberDir)
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(member, 0o700); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		if err := os.Chown(member, int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	return syncDir(data)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// leftovers reports whether etcd's own folder has anything but our record.
func leftovers(root string) (bool, error) {
	entries, err := os.ReadDir(filepath.Join(root, memberDir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != filepath.Base(recordPath) }), err
}

// moveAside takes etcd's own folder away whole and keeps it. It returns the
// path that it has now, empty where there was none.
func moveAside(root string, now time.Time) (string, error) {
	stem := dataDir + "/aside-" + now.UTC().Format("20060102-150405")
	path := stem
	for i := 2; ; i++ {
		if _, err := os.Lstat(filepath.Join(root, path)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		path = fmt.Sprintf("%s-%d", stem, i)
	}
	err := os.Rename(filepath.Join(root, memberDir), filepath.Join(root, path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("moving etcd's data aside: %w", err)
	}
	return "/" + path, syncDir(filepath.Join(root, dataDir))
}
