package kubelet

import (
	"bytes"
	"maps"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
	"go.yaml.in/yaml/v3"
)

// configuration is what is set of KubeletConfiguration
// (k8s.io/kubelet/config/v1beta1).
type configuration struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`

	Address            string   `yaml:"address"`
	Port               int      `yaml:"port"`
	ReadOnlyPort       int      `yaml:"readOnlyPort"`
	HealthzBindAddress string   `yaml:"healthzBindAddress"`
	HealthzPort        int      `yaml:"healthzPort"`
	TLSCertFile        string   `yaml:"tlsCertFile"`
	TLSPrivateKeyFile  string   `yaml:"tlsPrivateKeyFile"`
	TLSMinVersion      string   `yaml:"tlsMinVersion"`
	TLSCipherSuites    []string `yaml:"tlsCipherSuites"`

	RotateCertificates bool           `yaml:"rotateCertificates"`
	ServerTLSBootstrap bool           `yaml:"serverTLSBootstrap"`
	Authentication     authentication `yaml:"authentication"`
	Authorization      authorization  `yaml:"authorization"`

	EnableProfilingHandler  bool `yaml:"enableProfilingHandler"`
	EnableDebugFlagsHandler bool `yaml:"enableDebugFlagsHandler"`
	EnableSystemLogHandler  bool `yaml:"enableSystemLogHandler"`

	CgroupDriver             string `yaml:"cgroupDriver"`
	ContainerRuntimeEndpoint string `yaml:"containerRuntimeEndpoint"`
	ProtectKernelDefaults    bool   `yaml:"protectKernelDefaults"`
	MakeIPTablesUtilChains   bool   `yaml:"makeIPTablesUtilChains"`
	SeccompDefault           bool   `yaml:"seccompDefault"`
	VolumePluginDir          string `yaml:"volumePluginDir"`

	ClusterDomain string   `yaml:"clusterDomain"`
	ClusterDNS    []string `yaml:"clusterDNS"`
	ResolvConf    string   `yaml:"resolvConf"`

	MaxPods        int               `yaml:"maxPods"`
	PodPidsLimit   int               `yaml:"podPidsLimit"`
	SystemReserved map[string]string `yaml:"systemReserved,omitempty"`
	EvictionHard   map[string]string `yaml:"evictionHard"`

	ImageGCHighThresholdPercent int `yaml:"imageGCHighThresholdPercent"`
	ImageGCLowThresholdPercent  int `yaml:"imageGCLowThresholdPercent"`

	ShutdownGracePeriod             string          `yaml:"shutdownGracePeriod"`
	ShutdownGracePeriodCriticalPods string          `yaml:"shutdownGracePeriodCriticalPods"`
	FeatureGates                    map[string]bool `yaml:"featureGates,omitempty"`
}

type authentication struct {
	Anonymous struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"anonymous"`
	Webhook struct {
		Enabled bool `yaml:"enabled"`
	} `yaml:"webhook"`
	X509 struct {
		ClientCAFile string `yaml:"clientCAFile"`
	} `yaml:"x509"`
}

type authorization struct {
	Mode string `yaml:"mode"`
}

// podPidsLimit is how many processes and threads a pod may have: more than any
// does by intent, and few enough that one pod alone does not take all that a
// machine has (4 million, of which each takes some KiB).
const podPidsLimit = 4096

// config is the kubelet's settings that are the same on every machine. Where
// it listens is not: until a machine says its address, that is loopback.
func config(c *cluster.Cluster) []byte {
	k := &c.Def.Kubernetes
	conf := configuration{
		APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration",

		Address: "127.0.0.1", Port: k.Kubelet.Port,
		HealthzBindAddress: "127.0.0.1", HealthzPort: healthzPort,
		TLSCertFile: kube.PKI + "kubelet-server.crt", TLSPrivateKeyFile: kube.PKI + "kubelet-server.key",
		TLSMinVersion: kube.TLSMinVersion, TLSCipherSuites: kube.CipherSuites(),

		Authorization: authorization{Mode: "Webhook"},

		CgroupDriver: "systemd", ContainerRuntimeEndpoint: endpoint,
		ProtectKernelDefaults: true, SeccompDefault: true,
		VolumePluginDir: volumePlugins,

		ClusterDomain: k.ClusterDomain,
		// The stub at 127.0.0.53, which /etc/resolv.conf has, is not there for pods.
		ResolvConf: "/run/systemd/resolve/resolv.conf",

		MaxPods: k.Kubelet.MaxPods, PodPidsLimit: podPidsLimit, SystemReserved: k.Kubelet.SystemReserved, EvictionHard: evictionHard(k.Kubelet.EvictionHard),
		ImageGCHighThresholdPercent: 85, ImageGCLowThresholdPercent: 80,

		ShutdownGracePeriod: shutdownSeconds + "s", ShutdownGracePeriodCriticalPods: criticalSeconds + "s",
		FeatureGates: k.FeatureGates,
	}
	conf.Authentication.Webhook.Enabled = true
	conf.Authentication.X509.ClientCAFile = kube.CA
	for _, a := range c.DNSIPs {
		conf.ClusterDNS = append(conf.ClusterDNS, a.String())
	}
	var out bytes.Buffer
	out.WriteString("# Settings of the kubelet. The machine's own are in " + dropIns + ".\n")
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	// A struct of strings, numbers and maps of them, into memory: nothing can fail.
	_ = e.Encode(conf)
	return out.Bytes()
}

// evictionHard is the kubelet's own thresholds with those of the definition
// over them. The kubelet drops the former when one of the latter is given
// (kubernetes.io, "Node-pressure Eviction", "Hard eviction thresholds").
func evictionHard(given map[string]string) map[string]string {
	out := map[string]string{
		"memory.available":   "100Mi",
		"nodefs.available":   "10%",
		"nodefs.inodesFree":  "5%",
		"imagefs.available":  "15%",
		"imagefs.inodesFree": "5%",
	}
	maps.Copy(out, given)
	return out
}
