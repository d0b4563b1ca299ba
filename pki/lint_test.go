package pki

import (
	"encoding/pem"
	"testing"

	"github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3"
	"github.com/zmap/zlint/v3/lint"
)

// excluded are the lints that do not apply, and why. All of them are rules of
// the CA/Browser Forum, Apple or Mozilla for authorities that browsers trust;
// nothing of the RFCs is among them.
var excluded = map[string]string{
	"e_ca_country_name_missing":                                     "the authority is a cluster's, not a company's",
	"e_ca_organization_name_missing":                                "the authority is a cluster's, not a company's",
	"w_root_ca_basic_constraints_path_len_constraint_field_present": "the path length of 0 is wanted: no authorities below",
	"e_sub_cert_country_name_must_appear":                           "an organization is a Kubernetes group, not a company",
	"e_sub_cert_locality_name_must_appear":                          "an organization is a Kubernetes group, not a company",
	"e_sub_cert_province_must_appear":                               "an organization is a Kubernetes group, not a company",
	"e_subject_common_name_not_exactly_from_san":                    "a common name is a Kubernetes user",
	"e_dnsname_bad_character_in_label":                              "a common name is a Kubernetes user: system:node:...",
	"e_dnsname_not_valid_tld":                                       "names of the cluster's own domain",
	"e_ext_san_contains_reserved_ip":                                "mesh, service and loopback addresses are the point",
	"e_sub_cert_certificate_policies_missing":                       "nobody reads policies here",
	"e_sub_cert_cert_policy_empty":                                  "nobody reads policies here",
	"e_sub_cert_aia_missing":                                        "there is no OCSP; everyone has the authority's certificate",
	"e_sub_cert_aia_does_not_contain_ocsp_url":                      "there is no OCSP",
	"w_sub_cert_aia_does_not_contain_issuing_ca_url":                "everyone has the authority's certificate",
}

func TestLint(t *testing.T) {
	p := mustProd(t)
	certs := map[string][]byte{}
	for _, n := range p.all() {
		certs[n.name] = n.cred.CertPEM
	}
	for a, ca := range p.cas {
		certs["authority "+string(a)] = ca
	}
	used := map[string]bool{}
	for name, data := range certs {
		block, _ := pem.Decode(data)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		passed := 0
		for id, r := range zlint.LintCertificateEx(cert, lint.GlobalRegistry()).Results {
			if r.Status == lint.Pass {
				passed++
			}
			if r.Status < lint.Warn {
				continue
			}
			if excluded[id] == "" {
				t.Errorf("%s: %s: %s %s", name, id, r.Status, r.Details)
			}
			used[id] = true
		}
		if passed < 30 {
			t.Errorf("%s: %d lints passed only", name, passed)
		}
	}
	for id := range excluded {
		if !used[id] {
			t.Errorf("%s is excluded, though nothing fails it", id)
		}
		switch src := lint.GlobalRegistry().ByName(id).Source; src {
		case lint.CABFBaselineRequirements, lint.AppleRootStorePolicy, lint.MozillaRootStorePolicy:
		default:
			t.Errorf("%s is excluded, though it is of %s", id, src)
		}
	}
}
