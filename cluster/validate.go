package cluster

import (
	"net/netip"
	"os"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
)

// validator checks a decoded definition and keeps what it parsed on the way.
// It looks at everything and stops at nothing, so that all problems are
// reported at once. Rules that a single value can be checked by (kinds,
// limits, allowed words, what is required) are in the struct tags and were
// checked by the decoder.
type validator struct {
	*decoder
	def    *Definition
	dir    string
	ledger Indexes

	mesh, pods, services []netip.Prefix
	vip                  netip.Addr
	room                 room // of the mesh and pod ranges; zero where they are bad

	root    *os.Root // dir, opened on first use
	secrets []string // values that reports must not show
}

// run checks everything. Address ranges come first, because other checks need them.
func (v *validator) run() {
	v.checkNames()
	v.checkRanges()
	v.checkRoom()
	v.checkNodes()
	v.checkTopology()
	v.checkEdge()
	v.checkNetworks()
	v.checkPorts()
	v.checkKubernetes()
	v.checkExtraArgs()
	v.checkEtcd()
	v.checkDNS()
	v.checkPKI()
	v.checkAccess()
	v.checkImage()
	v.checkComponents()
	v.checkSystem()
	v.checkFiles()
	v.checkUnits()
	v.checkAddons()
	v.checkPublish()
	v.checkBoot()
	if v.root != nil {
		_ = v.root.Close() // opened for reading only
	}
}

// where gives the position of the value at a field path, or of the nearest
// thing around it that stands in the file.
func (v *validator) where(path string) diag.Pos {
	for p := path; ; {
		if pos, ok := v.pos[p]; ok {
			return pos
		}
		cut := strings.LastIndexAny(p, ".[")
		if cut < 0 {
			if pos, ok := v.pos[""]; ok {
				return pos
			}
			return diag.Pos{File: v.file, Line: 1, Col: 1}
		}
		p = p[:cut]
	}
}

func (v *validator) errorf(path, format string, args ...any) {
	v.report.Errorf(v.where(path), path, format, args...)
}

// keyErrorf is errorf for a problem of a free key rather than of its value.
func (v *validator) keyErrorf(path, format string, args ...any) {
	pos, ok := v.keys[path]
	if !ok {
		pos = v.where(path)
	}
	v.report.Errorf(pos, path, format, args...)
}

func (v *validator) warnf(path, format string, args ...any) {
	v.report.Warnf(v.where(path), path, format, args...)
}

// seen remembers where each value was first met: canonical value -> field path.
type seen map[string]string

// once reports a value that was met before. key is the value in its one
// canonical form; shown is how the message names it.
func (v *validator) once(s seen, key, path, shown string) bool {
	if first, twice := s[key]; twice {
		v.errorf(path, "%s is given twice, first as %s in line %d", shown, first, v.where(first).Line)
		return false
	}
	s[key] = path
	return true
}

// each calls f for every item of a list with its field path. Items that are
// empty were reported by the decoder and are left out.
func each(path string, list []string, f func(at, s string)) {
	for i, s := range list {
		if s != "" {
			f(element(path, i), s)
		}
	}
}

// hide keeps a value out of everything that is shown.
func (v *validator) hide(s string) { v.secrets = append(v.secrets, s) }
