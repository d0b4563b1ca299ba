package kube

import "strings"

// TLSMinVersion is the oldest version of TLS that is spoken, as the components
// of Kubernetes name it. All of them speak 1.3 with each other; 1.2 is there
// for clients that people bring.
const TLSMinVersion = "VersionTLS12"

// CipherSuites are those of TLS 1.2 that are spoken: ephemeral keys and
// authenticated encryption alone (RFC 9325, 4.2). Go does not let those of TLS
// 1.3 be chosen.
func CipherSuites() []string {
	return []string{
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
		"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	}
}

// TLSFlags are the flags of a component that serves.
func TLSFlags() []Flag {
	return []Flag{Set("tls-min-version", TLSMinVersion), Set("tls-cipher-suites", strings.Join(CipherSuites(), ","))}
}
