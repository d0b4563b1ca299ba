package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// ManifestFile is the name of the manifest in the folder of images.
const ManifestFile = "manifest.json"

// ManifestFormat is the version of the manifest's format.
const ManifestFormat = 1

// maxManifest is more than a manifest has, in bytes.
const maxManifest = 4 << 20

// Manifest says what a bake has made, and of what. All but Timings follows
// from the inputs. Sizes are in bytes, hashes are SHA-256 in hexadecimal.
type Manifest struct {
	Format     int       `json:"format"`
	Ingot      string    `json:"ingot"` // the version that baked; only the bill of materials has it
	Cluster    string    `json:"cluster"`
	ID         string    `json:"id"`   // of the image, derived from the inputs
	Date       time.Time `json:"date"` // the one clock
	Kubernetes string    `json:"kubernetes"`
	Debian     int       `json:"debian"`
	Targets    []string  `json:"targets"`

	Inputs     Inputs      `json:"inputs"`
	Kernel     string      `json:"kernelLine"`
	Partitions []Partition `json:"partitions"`
	Trees      []Tree      `json:"fileSystems"`
	DiskSize   int64       `json:"diskBytes"`
	Files      []Output    `json:"files"`
	Components []Component `json:"components"`
	Unlocked   *Unlocked   `json:"unlocked,omitempty"` // nil where the lock covers all that the image is made of
	Timings    []Timing    `json:"timings,omitempty"`
}

// Inputs are what an image is made of, each by its hash.
type Inputs struct {
	Definition string `json:"definition"` // of cluster.yaml, with what it refers to
	Lock       string `json:"lock"`
	PKI        string `json:"publicPKI"`
	Program    string `json:"ingotNode"`
	Changes    string `json:"changes,omitempty"` // to the base by others, such as Packer's provisioners
	// Tools are programs of the machine that baked, of which other versions
	// make other bytes.
	Tools map[string]string `json:"tools"`
}

// Partition is one of the disk's.
type Partition struct {
	Number int    `json:"number"`
	Label  string `json:"label"`
	Type   string `json:"type"` // GUID
	GUID   string `json:"guid"`
	Offset int64  `json:"offset"`
	Size   int64  `json:"bytes"`
}

// Tree is a verified file system.
type Tree struct {
	Label    string `json:"label"`
	RootHash string `json:"rootHash"` // of dm-verity
	SHA256   string `json:"sha256"`   // of the file system itself
	Size     int64  `json:"bytes"`
}

// Output is a file that was made.
type Output struct {
	Name   string `json:"name"`
	Format Format `json:"format,omitempty"` // of images
	SHA256 string `json:"sha256"`
	Size   int64  `json:"bytes"`
}

// Component is a program of the image and where it comes from.
type Component struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Source  string `json:"source"` // debian, go, url, file
	Size    int64  `json:"bytes"`  // in the image, uncompressed
}

// Timing is how long a step took.
type Timing struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
	Cached  bool    `json:"cached,omitempty"`
}

// File finds the image of a format.
func (m *Manifest) File(f Format) (Output, bool) {
	for _, o := range m.Files {
		if o.Format == f {
			return o, true
		}
	}
	return Output{}, false
}

// Encode writes the manifest as JSON.
func (m *Manifest) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding manifest: %w", err)
	}
	return append(data, '\n'), nil
}

// ReadManifest reads a manifest. errors.Is finds fs.ErrNotExist where there is
// none.
func ReadManifest(path string) (*Manifest, error) {
	data, err := atomicfile.ReadFile(path, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	m, err := parseManifest(data)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", path, err)
	}
	return m, nil
}

// A manifest may come from elsewhere: what is used as a path, or shown, is held
// to what bakes write.
var (
	clusterPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)
	idPattern      = regexp.MustCompile(`^[0-9a-f]{12}$`)
	namePattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

func parseManifest(data []byte) (*Manifest, error) {
	// A manifest of another format has other keys: say only that.
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, err
	}
	if head.Format != ManifestFormat {
		return nil, fmt.Errorf("format %d is unknown (%d)", head.Format, ManifestFormat)
	}
	var m Manifest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if !clusterPattern.MatchString(m.Cluster) {
		return nil, fmt.Errorf("%q is not the name of a cluster", m.Cluster)
	}
	if !idPattern.MatchString(m.ID) {
		return nil, fmt.Errorf("%q is not the name of an image", m.ID)
	}
	for _, f := range m.Files {
		if !namePattern.MatchString(f.Name) {
			return nil, fmt.Errorf("%q is not the name of a file", f.Name)
		}
	}
	return &m, nil
}

// sums is the content of SHA256SUMS, as sha256sum -c takes it.
func sums(files []Output) []byte {
	var b bytes.Buffer
	for _, f := range files {
		fmt.Fprintf(&b, "%s  %s\n", f.SHA256, f.Name)
	}
	return b.Bytes()
}
