package pki

import (
	"encoding/json"
	"fmt"

	"github.com/cloudflare/cfssl/config"
	"github.com/ingot-k8s/ingot/cluster"
)

// signerAuthKey is where the server looks for the authentication key: a file
// beside its configuration, so that the configuration itself is not secret.
const signerAuthKey = "file:auth.key"

// SignerConfig gives the configuration of a cfssl server (cfssl serve -config,
// or config= of a multirootca root) that signs for this cluster: a profile for
// each usage, each behind the authentication key in the file auth.key of the
// server's working folder. The default profile, which cfssl takes for unknown
// names, has no usages and so signs nothing.
func SignerConfig(c *cluster.Cluster) ([]byte, error) {
	// cfssl's own type, marshalled, has dozens of empty fields and one that
	// its reader refuses.
	type profile struct {
		Usages    []string            `json:"usages,omitempty"`
		Expiry    string              `json:"expiry"`
		Backdate  string              `json:"backdate"`
		AuthKey   string              `json:"auth_key"`
		CSR       config.CSRWhitelist `json:"CSRWhitelist"`
		OurSerial bool                `json:"ClientProvidesSerialNumbers"`
	}
	const keyName = "ingot"
	base := profile{
		Expiry: c.Def.PKI.CertLifetime.Std().String(), Backdate: backdate.String(),
		AuthKey: keyName, CSR: *keyOnly(), OurSerial: true,
	}
	named := map[string]profile{}
	for name, p := range profiles() {
		base.Usages = p.Usage
		named[name] = base
	}
	base.Usages = nil
	out, err := json.MarshalIndent(map[string]any{
		"signing":   map[string]any{"default": base, "profiles": named},
		"auth_keys": map[string]config.AuthKey{keyName: {Type: "standard", Key: signerAuthKey}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing signer configuration: %w", err)
	}
	return append(out, '\n'), nil
}
