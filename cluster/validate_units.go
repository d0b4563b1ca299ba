package cluster

import (
	"regexp"
	"strings"
)

// unitName is a unit's name (systemd.unit(5)) of a kind that a definition may bring.
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|timer|mount|path|target|slice)$`)

func (v *validator) checkUnits() {
	all := seen{}
	files := seen{}
	for i, f := range v.def.Files {
		files[f.Path] = element("files", i) + ".path"
	}
	v.checkUnitList("units", v.def.Units, targets{all: all, node: all}, targets{all: files, node: files})
	for i := range v.def.Nodes {
		n, path := &v.def.Nodes[i], element("nodes", i)
		if len(n.Units) == 0 {
			continue
		}
		own := seen{}
		for k, f := range n.Files {
			own[f.Path] = element(path+".files", k) + ".path"
		}
		v.checkUnitList(path+".units", n.Units, targets{all: all, node: seen{}}, targets{all: files, node: own})
	}
}

func (v *validator) checkUnitList(list string, units []Unit, t, files targets) {
	for i := range units {
		u, at := &units[i], element(list, i)
		v.checkUnit(at, u)
		if u.Name == "" {
			continue
		}
		if first, taken := t.find(u.Name); taken {
			v.errorf(at+".name", "the unit %s is given twice, first as %s in line %d", quoted(u.Name), first, v.where(first).Line)
			continue
		}
		t.node[u.Name] = at + ".name"
		if first, taken := files.find("/etc/systemd/system/" + u.Name); taken {
			v.errorf(at+".name", "the unit %s is given as a file as well, %s in line %d", quoted(u.Name), first, v.where(first).Line)
		}
	}
}

func (v *validator) checkUnit(at string, u *Unit) {
	switch {
	case u.Name == "":
	case len(u.Name) > 255 || !unitName.MatchString(u.Name) || strings.HasPrefix(u.Name, "."):
		v.errorf(at+".name", "%s is not the name of a unit; allowed: .service, .socket, .timer, .mount, .path, .target and .slice", quoted(u.Name))
	case ownUnit(u.Name):
		v.errorf(at+".name", "%s is a unit of Ingot; a drop-in below /etc/systemd/system/%s.d is allowed, as a file", quoted(u.Name), u.Name)
	case u.Enabled && strings.Contains(u.Name, "@."):
		v.errorf(at+".enabled", "%s is a template, which is enabled only for an instance (name@instance.service)", quoted(u.Name))
	}
	if u.Content == "" {
		return
	}
	sections := unitSections(u.Content)
	switch {
	case len(sections) == 0:
		v.errorf(at+".content", "not a unit file: it has no section such as [Service]")
	case u.Enabled && !sections["Install"]:
		v.warnf(at+".enabled", "the unit has no [Install] section, so enabling it does nothing")
	}
	if hasPrivateKey(u.Content) {
		v.warnf(at+".content", privateKeyInFile)
	}
}

func unitSections(content string) map[string]bool {
	sections := map[string]bool{}
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if len(line) > 2 && line[0] == '[' && line[len(line)-1] == ']' {
			sections[line[1:len(line)-1]] = true
		}
	}
	return sections
}
