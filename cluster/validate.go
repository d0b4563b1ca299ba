package cluster

import (
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
)

// validator checks a decoded definition and keeps what it parsed on the way.
type validator struct {
	*decoder
	def *Definition
	dir string

	mesh, pods, services []netip.Prefix
	vip                  netip.Addr
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

func (v *validator) warnf(path, format string, args ...any) {
	v.report.Warnf(v.where(path), path, format, args...)
}

// run checks everything. It parses the address ranges first, because other checks need them.
func (v *validator) run() {
	v.mesh = v.prefixes("mesh.cidr", v.def.Mesh.CIDR)
	v.pods = v.prefixes("kubernetes.podCIDR", v.def.Kubernetes.PodCIDR)
	v.services = v.prefixes("kubernetes.serviceCIDR", v.def.Kubernetes.ServiceCIDR)
	if len(v.mesh) > 0 {
		v.vip = lastAddr(v.mesh[0])
	}
	if s := v.def.API.VIP; s != "" {
		a, err := netip.ParseAddr(s)
		if err != nil {
			v.errorf("api.vip", "%q is not an IP address", s)
		}
		v.vip = a
	}
}

func (v *validator) prefixes(path, s string) []netip.Prefix {
	p, err := ParsePrefixes(s)
	if err != nil {
		v.errorf(path, "%s", err)
	}
	return p
}

func splitComma(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
