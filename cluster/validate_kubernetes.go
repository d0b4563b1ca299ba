package cluster

import (
	"regexp"
	"slices"
	"strings"
)

// supportedMinors are the Kubernetes versions whose components Ingot knows how
// to set up.
var supportedMinors = []string{"v1.36"}

// kubernetesVersion is a release: no pre-release, no build metadata.
var kubernetesVersion = regexp.MustCompile(`^(v[0-9]+\.[0-9]+)\.(0|[1-9][0-9]{0,3})$`)

func (v *validator) checkKubernetes() {
	k := &v.def.Kubernetes
	v.checkVersion(k.Version)
	for _, gate := range sortedKeys(k.FeatureGates) {
		if !featureGate.MatchString(gate) {
			v.keyErrorf(join("kubernetes.featureGates", gate), "%s is not the name of a feature gate; want letters and digits with a capital at the start, such as UserNamespacesSupport", quoted(gate))
		}
	}
	v.checkQuantities("kubernetes.kubelet.systemReserved", k.Kubelet.SystemReserved, []string{"cpu", "memory", "ephemeral-storage", "pid"}, false)
	v.checkQuantities("kubernetes.kubelet.evictionHard", k.Kubelet.EvictionHard, evictionSignals, true)
}

func (v *validator) checkVersion(s string) {
	const path = "kubernetes.version"
	allowed := "supported: " + strings.Join(supportedMinors, ".x, ") + ".x, such as " + DefaultKubernetesVersion
	m := kubernetesVersion.FindStringSubmatch(s)
	switch {
	case m != nil && slices.Contains(supportedMinors, m[1]):
	case m != nil:
		v.errorf(path, "%s is not supported (%s)", quoted(s), allowed)
	case kubernetesVersion.MatchString("v" + s):
		v.errorf(path, "%s needs a v in front: v%s (%s)", quoted(s), s, allowed)
	case kubernetesVersion.MatchString(s+".0") || kubernetesVersion.MatchString("v"+s+".0"):
		v.errorf(path, "%s names no exact release (%s)", quoted(s), allowed)
	default:
		v.errorf(path, "%s is not a version of Kubernetes (%s)", quoted(s), allowed)
	}
}

var featureGate = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{1,127}$`)

// evictionSignals are the signals of the kubelet (kubernetes.io, "Node-pressure Eviction").
var evictionSignals = []string{
	"memory.available", "allocatableMemory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available",
	"imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree", "pid.available",
}

// Amounts as Kubernetes writes them (apimachinery, pkg/api/resource), less exponents.
var (
	quantity = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$`)
	percent  = regexp.MustCompile(`^([0-9]{1,2}(\.[0-9]+)?|100)%$`)
)

func (v *validator) checkQuantities(path string, values map[string]string, keys []string, percentages bool) {
	for _, key := range sortedKeys(values) {
		at := join(path, key)
		if !slices.Contains(keys, key) {
			v.keyErrorf(at, "unknown key (allowed: %s)%s", strings.Join(keys, ", "), didYouMean(key, keys))
			continue
		}
		value := values[key]
		switch {
		case quantity.MatchString(value) || percentages && percent.MatchString(value):
		case percentages:
			v.errorf(at, "%s is neither an amount nor a percentage (such as 100Mi or 10%%)", quoted(value))
		default:
			v.errorf(at, "%s is not an amount (such as 500m, 2 or 512Mi)", quoted(value))
		}
	}
}

// flagName is the name of a flag, without dashes before it.
var flagName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func (v *validator) checkExtraArgs() {
	a := &v.def.Kubernetes.ExtraArgs
	for _, component := range []struct {
		key  string
		args map[string]string
	}{
		{"apiserver", a.APIServer},
		{"controllerManager", a.ControllerManager},
		{"scheduler", a.Scheduler},
		{"proxy", a.Proxy},
		{"kubelet", a.Kubelet},
	} {
		path := join("kubernetes.extraArgs", component.key)
		for _, flag := range sortedKeys(component.args) {
			at := join(path, flag)
			bare := strings.TrimLeft(flag, "-")
			canonical := strings.ReplaceAll(bare, "_", "-") // the components take both for the same
			switch why, own := ownFlag(component.key, canonical); {
			case own:
				v.keyErrorf(at, "the flag %s is refused: %s", quoted(bare), why)
			case bare != flag:
				v.keyErrorf(at, "write the flag without dashes in front: %s", bare)
			case !flagName.MatchString(flag):
				v.keyErrorf(at, "%s is not the name of a flag; want lower case words with dashes between them, such as v or audit-log-maxage", quoted(flag))
			}
			if value := component.args[flag]; !oneLine(value) {
				v.errorf(at, "the value %s has a line break or control character in it", quoted(value))
			}
		}
	}
}
