package pki

// Purpose says who shows a certificate to whom, by the name of its request.
func Purpose(name string) string {
	switch name {
	case "etcd-server":
		return "etcd to kube-apiserver and to itself"
	case "etcd-peer":
		return "etcd to the other members"
	case "apiserver":
		return "kube-apiserver to all its clients"
	case "apiserver-kubelet-client":
		return "kube-apiserver to kubelets, ingot-node on controllers to kube-apiserver"
	case "apiserver-etcd-client":
		return "kube-apiserver to etcd"
	case "front-proxy-client":
		return "kube-apiserver to extension API servers"
	case "controller-manager":
		return "kube-controller-manager to kube-apiserver"
	case "scheduler":
		return "kube-scheduler to kube-apiserver"
	case "kubelet-client":
		return "kubelet to kube-apiserver"
	case "kubelet-server":
		return "kubelet to kube-apiserver and metrics collectors"
	case "proxy":
		return "kube-proxy to kube-apiserver"
	case "dns":
		return "CoreDNS to kube-apiserver"
	case "metrics":
		return "node-exporter, etcd and components to metrics collectors"
	case "admin":
		return "a person to kube-apiserver"
	case "break-glass":
		return "a person to kube-apiserver when RBAC is broken"
	case authorityEntry:
		return "signs"
	}
	return ""
}
