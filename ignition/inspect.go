package ignition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/ignition/configiso"
)

// Inspection says what a config ISO, a user_data or a guestinfo file would do
// to a machine. It holds no content of files and no secret, so it can be
// printed and kept.
type Inspection struct {
	Kind         string     `json:"kind"`            // what the input is, in words
	Label        string     `json:"label,omitempty"` // of a volume
	Size         int64      `json:"size"`            // of the input, in bytes
	Cluster      string     `json:"cluster,omitempty"`
	Node         string     `json:"node,omitempty"` // whose identity it is, if it is one of ours
	Instance     *Instance  `json:"instance,omitempty"`
	Boot         string     `json:"boot,omitempty"` // what the boot ISO would do with the machine, in words
	Consumers    []Consumer `json:"consumers"`
	Files        []FileInfo `json:"files,omitempty"`
	Units        []UnitInfo `json:"units,omitempty"`
	Users        []UserInfo `json:"users,omitempty"`
	Commands     []string   `json:"commands,omitempty"` // programs that are run; arguments that may be secret are left out
	Other        []string   `json:"other,omitempty"`    // parts of a config that are not looked into, by key
	Certificates []CertInfo `json:"certificates,omitempty"`
	Warnings     []string   `json:"warnings,omitempty"` // what is wrong with it
}

// Instance is what the metadata say of the machine.
type Instance struct {
	ID       string `json:"id,omitempty"`
	Hostname string `json:"hostname,omitempty"`
	Zone     string `json:"zone,omitempty"`
}

// FileInfo is a file that would be on the machine.
type FileInfo struct {
	Path   string `json:"path"`
	Mode   string `json:"mode,omitempty"` // octal; empty where the config does not say
	Owner  string `json:"owner,omitempty"`
	Size   int    `json:"size"`   // in bytes; -1 where it is fetched from elsewhere
	Source string `json:"source"` // "config", "bundle", or where it is fetched from
	Secret bool   `json:"secret,omitempty"`
}

// UnitInfo is a systemd unit.
type UnitInfo struct {
	Name    string `json:"name"`
	Enabled bool   `json:"enabled"`
	Size    int    `json:"size"` // of its content, in bytes
}

// UserInfo is a login account.
type UserInfo struct {
	Name     string   `json:"name"`
	Keys     []string `json:"keys,omitempty"`     // type and fingerprint of SSH keys
	Groups   []string `json:"groups,omitempty"`   // in addition to its own
	Password string   `json:"password,omitempty"` // only that there is one
}

const (
	// maxVolumeInput is how large a volume may be, in bytes: as the reader of
	// volumes has it, with room for its frame.
	maxVolumeInput = 80 << 20
	// maxConfig is how large a config may be, in bytes: many times what any
	// platform takes.
	maxConfig = 4 << 20
	// maxContent is how much of the files in a config is looked into, in bytes,
	// decoded. A config of 4 MiB can name 16 GiB by gzip and by YAML's aliases.
	maxContent = 16 << 20
	// isoMagicAt is where "CD001" stands in a volume (ECMA-119, 8.1.2).
	isoMagicAt = 16*2048 + 1
)

// ErrNotConfig is in the error of an input that no machine would take for a
// config.
var ErrNotConfig = errors.New("not a config ISO, Ignition config, cloud-config, guestinfo file or identity bundle")

// Inspect reads a config ISO, a user_data (Ignition, cloud-config or script,
// also packed by gzip), a guestinfo.json or an identity.bundle of size bytes,
// of any origin. Now is what certificates are held against. Inputs are bounded
// and nothing in them is trusted or fetched.
func Inspect(r io.ReaderAt, size int64, now time.Time) (*Inspection, error) {
	in := &inspector{Inspection: Inspection{Size: size}, now: now}
	magic := make([]byte, 5)
	if n, _ := r.ReadAt(magic, isoMagicAt); n == len(magic) && string(magic) == "CD001" {
		if size > maxVolumeInput {
			return nil, fmt.Errorf("inspecting volume: it has %d bytes (at most %d)", size, maxVolumeInput)
		}
		v, err := configiso.Read(r, size)
		if err != nil {
			return nil, fmt.Errorf("inspecting volume: %w", err)
		}
		in.volume(v)
		return in.finish(), nil
	}
	if size > maxConfig {
		return nil, fmt.Errorf("inspecting %d bytes: %w (a config has at most %d)", size, ErrNotConfig, maxConfig)
	}
	data := make([]byte, size)
	if n, err := r.ReadAt(data, 0); int64(n) < size {
		return nil, fmt.Errorf("inspecting config: %w", err)
	}
	if err := in.bare(data); err != nil {
		return nil, err
	}
	return in.finish(), nil
}

// inspector gathers what an input would do, contents included, before they
// are judged and dropped.
type inspector struct {
	Inspection
	now     time.Time
	applied []appliedFile
	content int    // how many bytes of content files in configs have had so far
	checks  int    // how many signatures were checked so far
	bundle  []byte // the bundle that came with it, if any
}

// appliedFile is a file with its content.
type appliedFile struct {
	FileInfo
	data []byte // nil where it is fetched from elsewhere
}

// full reports whether no more content is looked into, and says so.
func (in *inspector) full() bool {
	if in.content <= maxContent {
		return false
	}
	in.warn("its files have more than %d bytes in all, and not all of them were looked into", maxContent)
	return true
}

// apply adds a file of a config.
func (in *inspector) apply(info FileInfo, data []byte) {
	in.content += len(data)
	info.Size = len(data)
	in.applied = append(in.applied, appliedFile{FileInfo: info, data: data})
}

func (in *inspector) warn(format string, args ...any) {
	in.Warnings = append(in.Warnings, fmt.Sprintf(format, args...))
}

// bare inspects a file that is no volume.
func (in *inspector) bare(data []byte) error {
	packed := false
	if bytes.HasPrefix(data, []byte(gzipMagic)) {
		plain, err := bundle.Decompress(data, bundle.MaxSize)
		if err != nil {
			return fmt.Errorf("inspecting config: %w", err)
		}
		if bytes.HasPrefix(plain, []byte(bundle.Magic)) {
			in.Kind, in.bundle = "identity bundle", data
			in.Consumers = []Consumer{unpackerOf("as a file: %s FILE", unpackPath)}
			in.applyBundle()
			return nil
		}
		if len(plain) > maxConfig {
			return fmt.Errorf("inspecting config: it unpacks to %d bytes (at most %d)", len(plain), maxConfig)
		}
		data, packed = plain, true
	}
	if values, ok := guestinfoOf(data); ok {
		in.Kind = "VMware guestinfo"
		in.guestinfoValues(values)
		return nil
	}
	kind := contentOf(data)
	if kind == contentUnknown || kind == contentEmpty {
		return fmt.Errorf("inspecting config: %w", ErrNotConfig)
	}
	in.Kind = string(kind)
	if packed {
		in.Kind += ", packed by gzip"
	}
	in.Consumers = userDataConsumers(kind, packed)
	in.userData("user data", kind, data)
	in.applyBundle()
	if in.Size > UserDataLimit {
		in.warn("user data has %d bytes, and not every platform takes more than %d", in.Size, UserDataLimit)
	}
	return nil
}

// userData inspects user data of a known kind.
func (in *inspector) userData(what string, kind content, data []byte) {
	if len(data) > maxConfig {
		in.warn("%s has %d bytes and is not looked into (at most %d)", what, len(data), maxConfig)
		return
	}
	switch kind {
	case contentIgnition:
		in.ignition(data)
		if slices.ContainsFunc(in.applied, func(f appliedFile) bool { return holdsKey(f) }) {
			in.warn("%s holds private keys, and Ignition prints all of it to the log when a stage fails", what)
		}
	case contentCloudConfig:
		in.cloudConfig(data)
	case contentScript:
		in.Commands = append(in.Commands, fmt.Sprintf("a script of %d bytes", len(data)))
	case contentMultipart:
		in.Other = append(in.Other, "the parts of the MIME message")
	case contentEmpty:
		in.warn("%s is empty", what)
	case contentUnknown:
		in.warn("%s is neither an Ignition config nor a cloud-config nor a script: nothing applies it", what)
	}
}
