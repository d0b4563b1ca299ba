package ignition

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// factsEnv writes the main facts as KEY="value" lines, which systemd's
// EnvironmentFile= and a shell read alike. Lists have commas.
func factsEnv(f Facts) string {
	roles := make([]string, len(f.Roles))
	for i, r := range f.Roles {
		roles[i] = string(r)
	}
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(f.Labels)) {
		pairs = append(pairs, key+"="+f.Labels[key])
	}
	var meshCIDRs []string // address with the length of its range, as "ip address" takes it
	for i, a := range f.Mesh.Addresses {
		meshCIDRs = append(meshCIDRs, a.String()+"/"+strconv.Itoa(f.Mesh.CIDRs[i].Bits()))
	}
	return envFile("INGOT_", [][2]string{
		{"CLUSTER", f.Cluster},
		{"NODE", f.Name},
		{"FQDN", f.FQDN},
		{"INDEX", strconv.Itoa(f.Index)},
		{"ROLES", strings.Join(roles, ",")},
		{"ZONE", f.Zone},
		{"ADDRESS", f.Address},
		{"NODE_LABELS", strings.Join(pairs, ",")},
		{"NODE_TAINTS", strings.Join(f.Taints, ",")},
		{"MESH_INTERFACE", f.Mesh.Interface},
		{"MESH_IP", f.Mesh.Addresses[0].String()},
		{"MESH_IPS", joined(f.Mesh.Addresses)},
		{"MESH_ADDRESSES", strings.Join(meshCIDRs, ",")},
		{"MESH_CIDRS", joined(f.Mesh.CIDRs)},
		{"POD_CIDRS", joined(f.Pods.CIDRs)},
		{"CLUSTER_POD_CIDRS", joined(f.Pods.ClusterCIDRs)},
		{"SERVICE_CIDRS", joined(f.Services.CIDRs)},
		{"KUBERNETES_IPS", joined(f.Services.KubernetesIPs)},
		{"DNS_IPS", joined(f.Services.DNSIPs)},
		{"CLUSTER_DOMAIN", f.Services.ClusterDomain},
		{"API_VIP", f.API.VIP.String()},
		{"API_PORT", strconv.Itoa(f.API.Port)},
		{"API_LOCAL_URL", f.API.LocalURL},
		{"API_CONTROLLERS", strings.Join(f.API.Controllers, ",")},
		{"ETCD_ENDPOINTS", strings.Join(f.Etcd.Endpoints, ",")},
		{"KUBERNETES_VERSION", f.Kubernetes.Version},
	})
}

// envFile writes settings in their order. Only characters are quoted that both
// readers treat alike (systemd.exec(5), "EnvironmentFile="; POSIX shell, 2.2.3).
func envFile(prefix string, settings [][2]string) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")
	var b strings.Builder
	for _, s := range settings {
		b.WriteString(prefix + s[0] + `="` + quote.Replace(s[1]) + "\"\n")
	}
	return b.String()
}
