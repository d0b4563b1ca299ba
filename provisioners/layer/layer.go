// Package layer is what one component adds to an image: files, units, users,
// kernel settings and packages, as a value that can be printed and compared
// before anything is written.
//
// A layer has no scripts. What it says is turned into plain files and links by
// [Layer.Entries], and several layers are put together by [Merge].
package layer

import (
	"io/fs"
)

// Layer is what a component adds to an image.
type Layer struct {
	Name    string // of the component: a folder of provisioners/
	Files   []File
	Links   []Link
	Folders []Folder
	Units   []Unit
	Users   []User
	Sysctls map[string]string // such as net.ipv4.ip_forward: "1"
	Modules []string          // kernel modules that are loaded at boot

	Packages   []string   // Debian packages that it needs
	Components []string   // programs that it needs, by the names of package component
	Listeners  []Listener // every socket that its units open, for docs/reference/image.md
}

// File is a regular file. The owner is root where none is given.
type File struct {
	Path    string      // absolute and clean; not below a folder of state, see StatePaths
	Mode    fs.FileMode // permission bits; 0 means 0644
	User    string      // by name; a user of the base or of a layer
	Group   string
	Content []byte
}

// Link is a symbolic link.
type Link struct{ Path, Target string }

// Folder is a folder whose mode or owner matters. Folders that only lead to
// something are made by themselves, with mode 0755.
type Folder struct {
	Path  string
	Mode  fs.FileMode // 0 means 0755
	User  string
	Group string
}

// Unit is a unit of systemd. It lies in /usr/lib/systemd/system, and what
// wants it has a link beside it, so that presets do not matter.
type Unit struct {
	Name     string
	Content  string // empty where the unit comes with a package and is only wanted
	WantedBy []string
	DropIns  map[string]string // name.conf -> content, for a unit that comes with a package
	Masked   bool              // the unit of a package must not run
}

// User is a system account, and the group of its name. It has no password, no
// shell, and no home that it could write to.
type User struct {
	Name    string
	ID      int // of the user and the group: 800-899, which Debian leaves alone
	Comment string
}

// Listener is a socket that a program of the layer listens on.
type Listener struct {
	Program string // such as kubelet
	Address string // "mesh", "loopback", "all" or an address
	Port    int
	Proto   string // tcp, udp
	Purpose string // a few words for people
	On      string // "all nodes", "controllers", ...
}
