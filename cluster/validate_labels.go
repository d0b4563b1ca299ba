package cluster

import (
	"regexp"
	"slices"
	"sort"
	"strings"
)

// The syntax of labels is that of Kubernetes (apimachinery, pkg/util/validation).
var (
	labelName  = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	labelValue = labelName // and a label's value may be empty as well
)

// labelKeyProblem says why s is not the key of a label or taint, or "".
func labelKeyProblem(s string) string {
	prefix, name, found := strings.Cut(s, "/")
	if !found {
		prefix, name = "", s
	}
	if found && nameProblem(prefix) != "" {
		return quoted(s) + " is not a label key: the part before the slash must be a DNS name"
	}
	if !labelName.MatchString(name) {
		return quoted(s) + " is not a label key; want at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends, and a DNS name and a slash before them if needed"
	}
	return ""
}

// reservedPrefix reports the prefixes that belong to Kubernetes itself.
func reservedPrefix(key string) bool {
	prefix, _, found := strings.Cut(key, "/")
	return found && (within(prefix, "kubernetes.io") || within(prefix, "k8s.io"))
}

// labelReason says why a node may not give itself a label, or "". The
// NodeRestriction admission lets a kubelet set only a few of the labels that
// belong to Kubernetes (k8s.io/kubelet/pkg/apis, well_known_labels.go), and
// of those some are Ingot's or the kubelet's own to set.
func labelReason(key string) string {
	prefix, _, _ := strings.Cut(key, "/")
	switch key {
	case "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone":
		return "set the node's zone instead"
	case "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch":
		return "the kubelet sets it itself"
	case "topology.kubernetes.io/region", "node.kubernetes.io/instance-type":
		return ""
	}
	switch {
	case !reservedPrefix(key):
		return ""
	case within(prefix, "node-restriction.kubernetes.io"):
		return "it is there so that nodes cannot set it themselves; set it with kubectl"
	case within(prefix, "node-role.kubernetes.io"):
		return "a node may not give itself a role label (NodeRestriction); set it with kubectl, or use a label of your own"
	case within(prefix, "kubelet.kubernetes.io"), within(prefix, "node.kubernetes.io"):
		return ""
	}
	return "a node may not give itself labels of kubernetes.io and k8s.io (NodeRestriction), but for topology.kubernetes.io/region and those of kubelet.kubernetes.io and node.kubernetes.io"
}

func (v *validator) checkLabels(path string, labels map[string]string) {
	for _, key := range sortedKeys(labels) {
		at := join(path, key)
		if problem := labelKeyProblem(key); problem != "" {
			v.keyErrorf(at, "%s", problem)
		} else if why := labelReason(key); why != "" {
			v.keyErrorf(at, "the label is refused: %s", why)
		}
		if value := labels[key]; value != "" && !labelValue.MatchString(value) {
			v.errorf(at, "%s is not a label value; want at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends, or nothing", quoted(value))
		}
	}
}

// taintEffects are the effects of a taint.
var taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

func (v *validator) checkTaints(path string, taints []string) {
	once := seen{}
	each(path, taints, func(at, s string) {
		colon := strings.LastIndexByte(s, ':')
		if colon < 0 {
			v.errorf(at, "%s is not a taint; want key=value:Effect or key:Effect, with an effect of %s", quoted(s), strings.Join(taintEffects, ", "))
			return
		}
		key, value, _ := strings.Cut(s[:colon], "=")
		effect := s[colon+1:]
		if problem := labelKeyProblem(key); problem != "" {
			v.errorf(at, "%s", problem)
			return
		}
		if value != "" && !labelValue.MatchString(value) {
			v.errorf(at, "%s is not the value of a taint; want what a label's value may be", quoted(value))
		}
		if !slices.Contains(taintEffects, effect) {
			v.errorf(at, "%s is not an effect (allowed: %s)%s", quoted(effect), strings.Join(taintEffects, ", "), didYouMean(effect, taintEffects))
		}
		if prefix, _, _ := strings.Cut(key, "/"); reservedPrefix(key) && (within(prefix, "node.kubernetes.io") || within(prefix, "node.cloudprovider.kubernetes.io")) {
			v.errorf(at, "the taint %s is one that Kubernetes itself sets and removes", quoted(key))
		}
		v.once(once, key+":"+effect, at, "the taint "+quoted(key+":"+effect))
	})
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
