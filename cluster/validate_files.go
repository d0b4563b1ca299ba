package cluster

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

var (
	fileMode  = regexp.MustCompile(`^0?[0-7]{3}$`)
	fileOwner = regexp.MustCompile(`^([a-z_][-a-z0-9_]{0,31}|[0-9]{1,9})(:([a-z_][-a-z0-9_]{0,31}|[0-9]{1,9}))?$`)
)

// targets are the paths that files and units of a definition take on a
// machine: those of all nodes, and those of one.
type targets struct {
	all, node seen
}

// find looks for another taker of a path.
func (t targets) find(p string) (string, bool) {
	if first, taken := t.all[p]; taken {
		return first, true
	}
	first, taken := t.node[p]
	return first, taken
}

func (v *validator) checkFiles() {
	all := seen{}
	v.checkFileList("files", v.def.Files, targets{all: all, node: all})
	for i := range v.def.Nodes {
		if files := v.def.Nodes[i].Files; len(files) > 0 {
			v.checkFileList(element("nodes", i)+".files", files, targets{all: all, node: seen{}})
		}
	}
}

func (v *validator) checkFileList(list string, files []File, t targets) {
	for i := range files {
		at := element(list, i)
		if v.nulls[at] {
			continue
		}
		v.checkFile(at, &files[i])
		p := files[i].Path
		if p == "" {
			continue
		}
		if first, taken := t.find(p); taken {
			v.errorf(at+".path", "the path %s is given twice, first as %s in line %d", quoted(p), first, v.where(first).Line)
			continue
		}
		t.node[p] = at + ".path"
	}
	// A file cannot lie below another file.
	for i := range files {
		for dir := path.Dir(files[i].Path); len(dir) > 1; dir = path.Dir(dir) {
			if first, taken := t.find(dir); taken {
				v.errorf(element(list, i)+".path", "%s lies below %s, which is a file (%s in line %d)", quoted(files[i].Path), quoted(dir), first, v.where(first).Line)
			}
		}
	}
}

func (v *validator) checkFile(at string, f *File) {
	if f.Path != "" {
		v.checkFilePath(at+".path", f.Path)
	}
	if f.Mode != "" {
		v.checkFileMode(at+".mode", f.Mode)
	}
	if f.Owner != "" && !fileOwner.MatchString(f.Owner) {
		v.errorf(at+".owner", "%s is not an owner; want user or user:group, by name or number", quoted(f.Owner))
	}
	hasContent, hasSource := v.given(at+".content"), v.given(at+".source")
	switch {
	case hasContent && hasSource:
		v.errorf(at+".source", "content and source exclude each other; take one")
	case !hasContent && !hasSource:
		v.errorf(at, "neither content nor source; one of them must say what is in the file (content: \"\" for an empty one)")
	case hasSource && f.Source == "":
		v.errorf(at+".source", "is empty; want the path of a file below the folder of the definition")
	case hasSource:
		if data, ok := v.source(at+".source", f.Source); ok && hasPrivateKey(string(data)) {
			v.warnf(at+".source", privateKeyInFile)
		}
	case hasPrivateKey(f.Content):
		v.warnf(at+".content", privateKeyInFile)
	}
}

const privateKeyInFile = "a private key in a plain file: everyone who can read the definition has it"

func (v *validator) checkFilePath(at, p string) {
	switch {
	case !path.IsAbs(p) || path.Clean(p) != p || p == "/" || !oneLine(p):
		v.errorf(at, "%s is not a clean absolute path of a file (such as /etc/motd)", quoted(p))
		return
	case len(p) > 255*4:
		v.errorf(at, "a path of %d bytes; at most %d", len(p), 255*4)
		return
	}
	if own, yes := ownPath(p); yes {
		v.errorf(at, "%s is refused: Ingot itself writes %s", quoted(p), own)
		return
	}
	if dir, yes := below(p, volatilePaths); yes {
		v.errorf(at, "%s is refused: %s is not on a disk, and a file in it is gone after a boot", quoted(p), dir)
		return
	}
	if dir, yes := below(p, readOnlyPaths); yes {
		v.warnf(at, "%s lies in %s, which is read-only on machines with Ingot's image, Flatcar and Fedora CoreOS; take /etc, /var or /opt", quoted(p), dir)
	}
	if name, ok := strings.CutPrefix(p, "/etc/systemd/system/"); ok {
		if first, _, _ := strings.Cut(name, "/"); first == name && ownUnit(name) {
			v.errorf(at, "%s is refused: it would replace a unit of Ingot; a drop-in (%s.d/*.conf) is allowed", quoted(p), p)
		}
	}
}

func (v *validator) checkFileMode(at, s string) {
	if !fileMode.MatchString(s) {
		v.errorf(at, "%s is not a mode; want three octal digits, with or without a zero in front, such as 0644", quoted(s))
		return
	}
	mode, err := strconv.ParseUint(s, 8, 16)
	if err != nil {
		return // cannot be, by the expression
	}
	owner, group, others := mode>>6&7, mode>>3&7, mode&7
	switch {
	case others&2 != 0:
		v.warnf(at, "every user of the machine can write a file of mode %s", s)
	case group&^owner != 0 || others&^owner != 0:
		v.warnf(at, "mode %s gives others more than the owner; is it meant to be octal (0644 is 420 in decimal)?", s)
	}
}
