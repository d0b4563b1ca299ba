package boot

import (
	"errors"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

const gib = 1 << 30

// imageTable is that of the image of the tests, and oldTable of another one.
var (
	imageTable = &Table{Disk: "d1", Entries: []Entry{{1, "bios", "t", "g1", 2048, 4095}, {2, "root", "t", "g2", 4096, 8191}}}
	oldTable   = &Table{Disk: "d0", Entries: []Entry{{1, "bios", "t", "g8", 2048, 4095}, {2, "root", "t", "g9", 4096, 8191}}}
)

// with adds a partition.
func (t *Table) with(label string) *Table {
	return &Table{Disk: t.Disk, Entries: append(t.Entries[:len(t.Entries):len(t.Entries)], Entry{7, label, "t", "g7", 8192, 9999})}
}

var (
	empty      = Content{NonZero: -1}
	dosNTFS    = Content{NonZero: 0, Kind: "a partition table (dos)", Parts: []string{`sda1 (ntfs "Windows")`}}
	bareFS     = Content{NonZero: 1024, Kind: `a file system or member of one (ext4 "data")`}
	volume     = Content{NonZero: 512, Kind: "a file system or member of one (LVM2_member)"}
	raid       = Content{NonZero: 4 * gib, Kind: "a file system or member of one (linux_raid_member)"}
	noise      = Content{NonZero: 77}
	broken     = Content{NonZero: -1, Unreadable: "reading at offset 0: input/output error"}
	unfinished = Content{NonZero: 0, Unfinished: true, Table: imageTable.with(stateLabel)}
	complete   = Content{NonZero: 0, Table: imageTable.with(stateLabel)}
	stateless  = Content{NonZero: 0, Table: imageTable}
	older      = Content{NonZero: 0, Table: oldTable.with(stateLabel)}
	begun      = Content{NonZero: 32 << 10, Begun: true}
	begunTorn  = Content{NonZero: 0, Begun: true, Kind: damagedTable}
	tornGPT    = Content{NonZero: 512, Kind: damagedTable}
	begunThen  = Content{NonZero: 0, Begun: true, Kind: "a file system or member of one (LVM2_member)"}
	stateOnly  = Content{NonZero: 0, Table: (&Table{Disk: "d5"}).with(stateLabel)}
)

// disk is a disk at a port; sda is at the third, sdb at the first.
func testDisk(path string, bytes int64, holds Content, change ...func(*Disk)) Disk {
	d := Disk{
		Path: path, IDs: []string{"/dev/disk/by-id/" + path[5:], "/dev/disk/by-id/wwn-" + path[5:]}, Model: "Model", Serial: "S-" + path[5:],
		Size: bytes, Sector: 512, Holds: holds,
		Port: map[string]string{"/dev/sda": "pci-0000:00:0a.0-ata-3", "/dev/sdb": "pci-0000:00:0a.0-ata-1", "/dev/sdc": "pci-0000:00:0a.0-ata-10"}[path],
	}
	for _, c := range change {
		c(&d)
	}
	return d
}

func removable(d *Disk) { d.Removable = true }
func readOnly(d *Disk)  { d.ReadOnly = true }
func theMedium(d *Disk) { d.Medium = true }
func with4K(d *Disk)    { d.Sector = 4096 }
func noSerial(d *Disk)  { d.Serial = "" }
func serialA(d *Disk)   { d.Serial = "A" }

func installTo(rule, overwrite string) setting.Setting {
	return setting.Setting{Install: &setting.Install{Disk: rule, Overwrite: overwrite}}
}

func runOn(rule string) setting.Setting { return setting.Setting{Run: &setting.Run{Disk: rule}} }

const idA, idB = "/dev/disk/by-id/sda", "/dev/disk/by-id/wwn-sdb"

// decisions are all rules. Want is the action and the disk, or, after "no:",
// parts of the refusal.
var decisions = []struct {
	name    string
	mode    Mode
	setting setting.Setting
	disks   []Disk
	want    string
}{
	// The menu and the identity.
	{"rescue from the menu", Rescue, installTo("smallest", ""), nil, "rescue"},
	{"the menu is stronger: run", RunIt, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 9*gib, empty)}, "run, with new state /dev/sda"},
	{"the menu is stronger: install", Install, runOn("smallest"), []Disk{testDisk("/dev/sda", 9*gib, empty)}, "install /dev/sda"},
	{"no word and no state", Auto, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, empty)}, "no: no disk has its state; choose in the boot menu"},
	{"no word and a state", Auto, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, empty), testDisk("/dev/sdb", 9*gib, stateOnly)}, "run /dev/sdb"},
	{"no word and two states", Auto, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, older), testDisk("/dev/sdb", 9*gib, stateOnly)}, "no: more than one disk has a state"},
	{"no word and an installed disk", Auto, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, complete)}, "run /dev/sda installed"},
	{"no disk", Auto, installTo("first", ""), nil, "no: no disk of this machine can take the image; the machine has no disk that is seen"},

	// Which disk a rule chooses.
	{"smallest", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sdb", 9*gib, empty), testDisk("/dev/sda", 8*gib, empty)}, "install /dev/sda"},
	{"smallest of equals is the first", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 8*gib, empty), testDisk("/dev/sdb", 8*gib, empty)}, "install /dev/sdb"},
	{"first is by port", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, empty), testDisk("/dev/sdb", 99*gib, empty)}, "install /dev/sdb"},
	{"ports are numbers", Auto, installTo("first", ""), []Disk{testDisk("/dev/sdc", 9*gib, empty), testDisk("/dev/sda", 9*gib, empty)}, "install /dev/sda"},
	{"what has no port is last", Auto, installTo("first", ""), []Disk{testDisk("/dev/sdd", 9*gib, empty), testDisk("/dev/sdc", 9*gib, empty)}, "install /dev/sdc"},
	{"by id", Auto, installTo(idB, ""), []Disk{testDisk("/dev/sda", 8*gib, empty), testDisk("/dev/sdb", 9*gib, empty)}, "install /dev/sdb"},
	{"by an id that is not there", Auto, installTo(idB, ""), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS)},
		`no: no disk of this machine is /dev/disk/by-id/wwn-sdb; say in the definition; /dev/sda, Model, serial number "S-sda", 9.7 GB: holds a partition table (dos), partitions sda1 (ntfs "Windows"); /dev/disk/by-id/sda`},
	{"no rule, one disk", Install, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, empty)}, "install /dev/sda"},
	{"no rule, two disks", Install, setting.Setting{}, []Disk{testDisk("/dev/sda", 9*gib, empty), testDisk("/dev/sdb", 9*gib, dosNTFS)}, "no: nothing says on which of several disks"},
	{"a rule looks at no content", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 8*gib, dosNTFS), testDisk("/dev/sdb", 9*gib, empty)}, "no: the disk to install to is /dev/sda"},

	// What is never chosen.
	{"removable by a rule", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 8*gib, empty, removable), testDisk("/dev/sdb", 9*gib, empty)}, "install /dev/sdb"},
	{"removable alone", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 8*gib, empty, removable)}, "no: it is removable, or attached by USB"},
	{"removable by id", Auto, installTo(idA, ""), []Disk{testDisk("/dev/sda", 8*gib, empty, removable)}, "install /dev/sda"},
	{"the medium by a rule", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 8*gib, noise, theMedium), testDisk("/dev/sdb", 9*gib, empty)}, "install /dev/sdb"},
	{"the medium by id", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 8*gib, noise, theMedium)}, "no: cannot be used: it is the boot medium"},
	{"too small by a byte", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 2*gib+minState-1, empty)}, "no: it is too small: 2684354559 bytes, where the image with its state needs 2684354560"},
	{"just large enough", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 2*gib+minState, empty)}, "install /dev/sda"},
	{"4Kn", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, empty, with4K)}, "no: its logical sectors have 4096 bytes, and an image needs 512"},
	{"read-only", Auto, installTo(idA, ""), []Disk{testDisk("/dev/sda", 9*gib, empty, readOnly)}, "no: it can only be read"},

	// What a disk holds.
	{"a table", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS)}, `no: overwrite: "S-sda"`},
	{"a file system without a table", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, bareFS)}, `no: (ext4 "data")`},
	{"a volume group", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, volume)}, "no: LVM2_member"},
	{"a RAID", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, raid)}, "no: linux_raid_member"},
	{"bytes that are not zero", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, noise)}, "no: holds bytes that are not zero, at 77"},
	{"unreadable", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, broken)}, "no: holds what cannot be read: reading at offset 0"},
	{"another image", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, older)}, "no: holds the state of a machine"},
	{"another image, told so", Auto, installTo("first", "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, older)}, "install /dev/sda"},
	{"told so", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS)}, "install /dev/sda"},
	{"told another", Auto, installTo(idA, "S-sdb"), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS), testDisk("/dev/sdb", 9*gib, empty)}, "no: S-sdb may be overwritten by the identity, which is not this one"},
	{"told in part", Auto, installTo(idA, "S-sd"), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS)}, "no: S-sd may be overwritten"},
	{"no serial number", Auto, installTo(idA, ""), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS, noSerial)}, "no: without a serial number, 9.7 GB, and holds; cannot be told by a serial number"},
	{"no serial number, told one", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS, noSerial)}, "no: cannot be told by a serial number"},
	{"a serial number that two have", Auto, installTo(idA, "A"), []Disk{testDisk("/dev/sda", 9*gib, dosNTFS, serialA), testDisk("/dev/sdb", 9*gib, empty, serialA)}, "no: 2 disks have the serial number A"},
	{"told so, and empty", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, empty)}, "install /dev/sda"},

	// What was begun.
	{"unfinished", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, unfinished)}, "install /dev/sda"},
	{"unfinished, and another that the rule takes", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 9*gib, unfinished), testDisk("/dev/sdb", 8*gib, empty)}, "install /dev/sda"},
	{"two are unfinished", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 9*gib, unfinished), testDisk("/dev/sdb", 8*gib, unfinished)}, "no: more than one disk has this image, or an unfinished"},
	{"unfinished, and another by id", Auto, installTo(idB, ""), []Disk{testDisk("/dev/sda", 9*gib, unfinished), testDisk("/dev/sdb", 8*gib, empty)}, "install /dev/sdb"},
	{"installed", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, complete)}, "run /dev/sda installed"},
	{"installed, and still told to overwrite", Auto, installTo(idA, "S-sda"), []Disk{testDisk("/dev/sda", 9*gib, complete)}, "run /dev/sda installed"},
	{"installed, and another that the rule takes", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 9*gib, complete), testDisk("/dev/sdb", 8*gib, empty)}, "run /dev/sda installed"},
	{"installed without state", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 9*gib, stateless)}, "finish the installation /dev/sda"},
	{"another disk has a state", Auto, installTo("smallest", ""), []Disk{testDisk("/dev/sda", 9*gib, older), testDisk("/dev/sdb", 8*gib, empty)}, "no: but /dev/sda, Model"},
	{"another disk has a state, by id", Auto, installTo(idB, ""), []Disk{testDisk("/dev/sda", 9*gib, older), testDisk("/dev/sdb", 8*gib, empty)}, "install /dev/sdb"},

	// Running.
	{"run with the state", Auto, runOn("smallest"), []Disk{testDisk("/dev/sda", 9*gib, stateOnly), testDisk("/dev/sdb", 8*gib, empty)}, "run /dev/sda"},
	{"run with the state of another image", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 9*gib, older)}, "run /dev/sda"},
	{"run with a state on a stick", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 9*gib, stateOnly, removable)}, "run /dev/sda"},
	{"run with a state that is read-only", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 9*gib, stateOnly, readOnly)}, "no: which can only be read"},
	{"run, two states", Auto, runOn("smallest"), []Disk{testDisk("/dev/sda", 9*gib, stateOnly), testDisk("/dev/sdb", 8*gib, older)}, "no: more than one disk has the state of a machine"},
	{"run, two states, by id", Auto, runOn(idB), []Disk{testDisk("/dev/sda", 9*gib, stateOnly), testDisk("/dev/sdb", 8*gib, older)}, "run /dev/sdb"},
	{"run, smallest empty", Auto, runOn("smallest"), []Disk{testDisk("/dev/sda", 7*gib, dosNTFS), testDisk("/dev/sdb", 9*gib, empty), testDisk("/dev/sdc", 8*gib, empty)}, "run, with new state /dev/sdc"},
	{"run, first empty", Auto, runOn("first"), []Disk{testDisk("/dev/sdb", 7*gib, bareFS), testDisk("/dev/sdc", 9*gib, empty), testDisk("/dev/sda", 9*gib, empty)}, "run, with new state /dev/sda"},
	{"run, none empty", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, noise)}, "no: none is empty and fit for it"},
	{"run, unfinished is not empty", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, unfinished)}, "no: holds an unfinished installation"},
	{"run, begun", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, begun)}, "run, with new state /dev/sda"},
	{"run, begun, with half a table", Auto, runOn(idA), []Disk{testDisk("/dev/sda", 7*gib, begunTorn)}, "run, with new state /dev/sda"},
	{"run, begun, then something else", Auto, runOn(idA), []Disk{testDisk("/dev/sda", 7*gib, begunThen)}, "no: LVM2_member"},
	{"install where a state was begun", Auto, installTo("first", ""), []Disk{testDisk("/dev/sda", 7*gib, begun)}, "install /dev/sda"},
	{"run, and a disk with a damaged table", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, tornGPT), testDisk("/dev/sdb", 7*gib, empty)}, "no: unless it is on /dev/sda, Model"},
	{"run, and a disk that cannot be read", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, broken), testDisk("/dev/sdb", 7*gib, empty)}, "no: unless it is on /dev/sda; input/output error"},
	{"run by id, and a disk that cannot be read", Auto, runOn(idB), []Disk{testDisk("/dev/sda", 7*gib, broken), testDisk("/dev/sdb", 7*gib, empty)}, "run, with new state /dev/sdb"},
	{"run by id, empty", Auto, runOn(idA), []Disk{testDisk("/dev/sda", 7*gib, empty), testDisk("/dev/sdb", 7*gib, stateOnly)}, "run, with new state /dev/sda"},
	{"run by id, foreign", Auto, runOn(idA), []Disk{testDisk("/dev/sda", 7*gib, volume)}, "no: the state cannot be made on /dev/sda"},
	{"run by id, not there", Auto, runOn(idB), []Disk{testDisk("/dev/sda", 7*gib, stateOnly)}, "no: no disk of this machine is"},
	{"run, only removable", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, empty, removable)}, "no: it is removable"},
	{"run, too small", Auto, runOn("first"), []Disk{testDisk("/dev/sda", minState, empty)}, "no: it is too small"},
	{"run on 4Kn", Auto, runOn("first"), []Disk{testDisk("/dev/sda", 7*gib, empty, with4K)}, "run, with new state /dev/sda"},
	{"run from the menu, two disks", RunIt, setting.Setting{}, []Disk{testDisk("/dev/sda", 7*gib, empty), testDisk("/dev/sdb", 7*gib, dosNTFS)}, "no: nothing says on which of several"},
	{"run from the menu, foreign", RunIt, setting.Setting{}, []Disk{testDisk("/dev/sda", 7*gib, dosNTFS)}, "no: none is empty"},
}

func TestDecide(t *testing.T) {
	for _, c := range decisions {
		t.Run(c.name, func(t *testing.T) {
			image := Image{ID: "prod-1", Size: 2 * gib, Table: imageTable}
			p, err := Decide(Facts{Mode: c.mode, Setting: c.setting, From: "the identity", Image: image, Disks: c.disks})
			parts, refused := strings.CutPrefix(c.want, "no: ")
			if refused {
				var r *Refusal
				if !errors.As(err, &r) {
					t.Fatalf("got %+v, %v; want a refusal", p, err)
				}
				if r.Do == "" || len(r.Disks) != max(len(c.disks), 1) {
					t.Errorf("it says to do %q, and lists %q", r.Do, r.Disks)
				}
				for part := range strings.SplitSeq(parts, "; ") {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("got %q, want %q in it", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := string(p.Action)
			if p.Disk != nil {
				got += " " + p.Disk.Path
			}
			if p.Installed {
				got += " installed"
			}
			if got != c.want || p.Why == "" {
				t.Errorf("got %q, because %q; want %q", got, p.Why, c.want)
			}
		})
	}
}

// TestDecideIgnoresOrder: the order in which the kernel found the disks
// changes nothing.
func TestDecideIgnoresOrder(t *testing.T) {
	for _, c := range decisions {
		facts := Facts{Mode: c.mode, Setting: c.setting, Image: Image{Size: 2 * gib, Table: imageTable}, Disks: c.disks}
		p, err := Decide(facts)
		facts.Disks = nil
		for i := range c.disks {
			facts.Disks = append(facts.Disks, c.disks[len(c.disks)-1-i])
		}
		q, err2 := Decide(facts)
		if (err == nil) != (err2 == nil) || err != nil && err.Error() != err2.Error() {
			t.Errorf("%s: got %v, and %v the other way round", c.name, err, err2)
		}
		if err == nil && p.Disk != nil && p.Disk.Path != q.Disk.Path {
			t.Errorf("%s: got %s, and %s the other way round", c.name, p.Disk.Path, q.Disk.Path)
		}
	}
}
