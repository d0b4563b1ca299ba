// Package lab runs a whole cluster in local QEMU machines: the real image, the
// real config ISOs, a network of its own, as a normal user and without
// touching the host's network. What is reachable from outside is on 127.0.0.1.
//
// [Start] runs the machines in the calling process, which they end with.
// Package lab/control keeps a lab in a process of its own, so that it outlives
// the command that started it.
package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// What a lab's folder holds.
const (
	KubeconfigFile = "kubeconfig" // the admin's, for the relay on 127.0.0.1
	MachinesDir    = "machines"   // a folder for each machine, by its name
	networkDir     = "net"        // sockets of the segment

	lockFile  = "lock"    // held while the lab is up
	imageFile = "image"   // in a machine's folder: the image that its disk was made from
	bootFile  = "boot-id" // in a machine's folder: of the last kernel that the API knew of
	// KnownHostsFile, in a machine's folder, has the keys of its SSH server.
	KnownHostsFile = "known_hosts"
)

// Config describes a lab.
type Config struct {
	Cluster    *cluster.Cluster
	Dir        string // the lab's folder, made if it is not there; only one lab at a time runs in it
	Image      string // qcow2; may be a link, of which the target counts
	Nodes      string // folder of the identities: NAME/config.iso
	Kubeconfig string // the admin's, as "ingot iso" writes it; empty means that the API is not asked

	Spares     int      // how many spares are started with the nodes
	Others     []string // names of further machines that may be started with an ISO of their own
	FreshDisks bool     // throw away the disks that are there
	APIPort    int      // of the relay on 127.0.0.1; 0 means any that is free

	Accel    machine.Accel // empty means what machine.FindAccel finds
	Memory   int           // of each machine, in MiB; 0 means 2048
	CPUs     int           // of each machine; 0 means machine.Config's default
	DiskSize int64         // of each machine, in bytes; 0 means what the image says
	// Slow is how many seconds of this host a second of the machines takes. All
	// that they have deadlines for then takes them less time, and what they do
	// now and then takes less of the processor. 0 means 1 with KVM or without
	// libfaketime, else 5.
	Slow int

	Log io.Writer        // gets a line for each event; nil drops them
	Now func() time.Time // the clock
}

// MissingError says that something is not there that a lab needs, and what
// makes it.
type MissingError struct {
	What string
	Path string
	Err  error
}

// Error names the file.
func (e *MissingError) Error() string { return fmt.Sprintf("%s %q: %v", e.What, e.Path, e.Err) }
func (e *MissingError) Unwrap() error { return e.Err }

// OtherImageError says that the disks of machines were made from an image that
// is not the one to be started: they are what differs from it.
type OtherImageError struct {
	Machines []string
	Old, New string // paths; the old one is that of the first machine
}

// Error names both images.
func (e *OtherImageError) Error() string {
	return fmt.Sprintf("the disk of %s was made from %q, and the image is %q", strings.Join(e.Machines, ", "), e.Old, e.New)
}

// ErrRunning is in the error of a lab that runs already.
var ErrRunning = errors.New("a lab runs in this folder")

// complete checks the configuration and fills in defaults.
func (c Config) complete() (Config, error) {
	switch {
	case c.Cluster == nil:
		return c, errors.New("no cluster given")
	case c.Dir == "":
		return c, errors.New("no folder given")
	case c.Now == nil:
		return c, errors.New("no clock given")
	case c.Spares < 0 || c.Spares > c.Cluster.Def.Spares:
		return c, fmt.Errorf("%d spares: the definition has %d", c.Spares, c.Cluster.Def.Spares)
	case c.APIPort < 0 || c.APIPort > 65535:
		return c, fmt.Errorf("port %d of the API: 1 to 65535 are allowed, and 0 for any", c.APIPort)
	case c.Memory < 0 || c.CPUs < 0 || c.DiskSize < 0:
		return c, fmt.Errorf("%d MiB of memory, %d processors, %d bytes of disk: none may be negative", c.Memory, c.CPUs, c.DiskSize)
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	for _, p := range []*string{&c.Dir, &c.Nodes, &c.Kubeconfig} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return c, err
		}
		*p = abs
	}
	image, err := resolved(c.Image)
	if err != nil {
		return c, &MissingError{What: "image", Path: c.Image, Err: cause(err)}
	}
	c.Image = image
	return c, nil
}

// resolved is the absolute path of a file, links followed: the link to the
// newest image moves.
func resolved(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// cause takes the path out of an error that names it again.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// iso is the config ISO of a node.
func (c *Config) iso(name string) (string, error) {
	path := filepath.Join(c.Nodes, name, "config.iso")
	if _, err := os.Stat(path); err != nil {
		return "", &MissingError{What: fmt.Sprintf("identity of node %q", name), Path: path, Err: cause(err)}
	}
	return path, nil
}

// machineDir is the folder of a machine.
func (c *Config) machineDir(name string) string { return filepath.Join(c.Dir, MachinesDir, name) }
