package leak

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Key gives the secret parts of a private key in PEM: PKCS #8, SEC 1 or PKCS #1
// of ECDSA, Ed25519 or RSA. Whatever form the key is written in has them.
func Key(name string, data []byte) ([]Secret, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("key %s: it is not PEM", name)
	}
	key, err := parse(block)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", name, err)
	}
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		d, err := key.Bytes()
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		return []Secret{{name, d}}, nil
	case ed25519.PrivateKey:
		return []Secret{{name, key.Seed()}}, nil
	case *rsa.PrivateKey:
		out := []Secret{{name, key.D.Bytes()}}
		for _, prime := range key.Primes {
			out = append(out, Secret{name, prime.Bytes()})
		}
		return out, nil
	default:
		return nil, fmt.Errorf("key %s: unknown type %T", name, key)
	}
}

func parse(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("unknown PEM type %q (PRIVATE KEY, EC PRIVATE KEY, RSA PRIVATE KEY)", block.Type)
	}
}
