package provisioners_test

// nodeFiles is section 4.1.
func nodeFiles() []control {
	unit := unitShipped("kubelet.service")
	config := shipped("/usr/lib/ingot/kubelet/config.yaml")
	proxy := shipped(shippedDir + "proxy.conf")
	conf := brought("/etc/kubernetes/kubelet.conf", 0o600, "root:root")
	ca := brought(kubePKI+"ca.crt", 0o644, "root:root")
	const inImage = "0644: a file of the image without secrets, on a read-only and verified file system"
	return []control{
		{"4.1.1", "mode 0600 of the kubelet's service file", otherwise, inImage, unit, false},
		{"4.1.2", "root as its owner", met, "", unit, false},
		{"4.1.3", "mode 0600 of kube-proxy's kubeconfig", otherwise, inImage + "; it names the key's place", proxy, false},
		{"4.1.4", "root as its owner", met, "", proxy, false},
		{"4.1.5", "mode 0600 of kubelet.conf", met, "", conf, true},
		{"4.1.6", "root as its owner", met, "", conf, true},
		{"4.1.7", "mode 0644 of the authority's certificate", met, "", ca, true},
		{"4.1.8", "root as its owner", met, "", ca, true},
		{"4.1.9", "mode 0600 of the kubelet's settings", otherwise, inImage, config, false},
		{"4.1.10", "root as their owner", met, "", config, false},
	}
}

// kubeletControls are sections 4.2 and 4.3.
func kubeletControls() []control {
	suites := func(m *controller) error {
		var names []string
		list, _ := m.kubelet["tlsCipherSuites"].([]any)
		for _, name := range list {
			text, _ := name.(string)
			names = append(names, text)
		}
		return strongSuites(append(names, names[0])) // which must be there
	}
	const ours = "certificates come with identities; `ingot pki issue` renews them. No key that signs is in the cluster"
	return []control{
		{"4.2.1", "no anonymous requests", met, "", kubelet(false, "authentication", "anonymous", "enabled"), true},
		{"4.2.2", "not everything allowed", met, "the API is asked", kubelet("Webhook", "authorization", "mode"), true},
		{"4.2.3", "an authority for clients", met, "", kubelet(kubePKI+"ca.crt", "authentication", "x509", "clientCAFile"), true},
		{"4.2.4", "no read-only port", met, "", kubelet(0, "readOnlyPort"), true},
		{"4.2.5", "an end to idle streams", met, "the default, 4 hours", kubelet(nil, "streamingConnectionIdleTimeout"), false},
		{"4.2.6", "the kubelet makes its chains of iptables", absent, "kube-proxy uses nftables, and nothing here uses those chains", allOf(kubelet(false, "makeIPTablesUtilChains"), given("kube-proxy", "proxy-mode", "nftables")), false},
		{"4.2.7", "the host's own name", otherwise, "the name is the identity's, and the host's name is set to it; the kubelet's certificate has no other", given("kubelet", "hostname-override", "${INGOT_NODE}"), false},
		{"4.2.8", "events are kept", met, "the default, 50 a second", kubelet(nil, "eventRecordQPS"), false},
		{"4.2.9", "TLS with a certificate that can be checked", met, "", allOf(kubelet(kubePKI+"kubelet-server.crt", "tlsCertFile"), kubelet(kubePKI+"kubelet-server.key", "tlsPrivateKeyFile")), true},
		{"4.2.10", "renewal of client certificates", otherwise, ours, kubelet(false, "rotateCertificates"), false},
		{"4.2.11", "renewal of serving certificates", otherwise, ours, kubelet(false, "serverTLSBootstrap"), false},
		{"4.2.12", "strong suites of TLS", met, "1.2 or newer; ephemeral keys and authenticated encryption alone", allOf(suites, kubelet("VersionTLS12", "tlsMinVersion")), true},
		{"4.2.13", "a limit on the processes of a pod", met, "4096", kubelet(4096, "podPidsLimit"), false},
		{"4.2.14", "seccomp for every pod", met, "the runtime's profile, where a pod says nothing", kubelet(true, "seccompDefault"), false},
		{"4.3.1", "kube-proxy's metrics on loopback alone", met, "", given("kube-proxy", "metrics-bind-address", "127.0.0.1:10249"), true},
	}
}
