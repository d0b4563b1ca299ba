package leak

import (
	"bytes"
	"encoding/base64"
	"regexp"
	"strings"
)

// What is found. Lists of what is allowed name these.
const (
	PrivateKey   = "private key"
	Token        = "token"
	Bearer       = "bearer token"
	Credential   = "cloud credential"
	Kubeconfig   = "kubeconfig with a key or token"
	Capability   = "file capability"
	SetID        = "setuid or setgid program"
	WorldFile    = "writable by everyone"
	PasswordHash = "password hash"
)

// patterns are what is looked for in every file.
func patterns() []pattern {
	list := []pattern{
		{PrivateKey, "-----BEGIN ", privatePEM},
		{PrivateKey, "LS0tLS1CRUdJTi", encodedPEM}, // Base64 of -----BEGIN
		{PrivateKey, "AGE-SECRET-KEY-", expression(`^AGE-SECRET-KEY-(PQ-)?1[02-9AC-HJ-NP-Z]{50}`)},
		{PrivateKey, "PuTTY-User-Key-File-", expression(`(?s)^PuTTY-User-Key-File-\d:.*Private-Lines:`)},
		{PrivateKey, "PrivateKey", expression(`^PrivateKey\s*=\s*[A-Za-z0-9+/]{43}=`)}, // WireGuard
		{PrivateKey, "b3BlbnNzaC1rZXktdjE", func([]byte) bool { return true }},         // Base64 of openssh-key-v1
		{Kubeconfig, "client-key-data", expression(`^client-key-data["']?\s*:\s*["']?[A-Za-z0-9+/]{40}`)},
		{Bearer, "Bearer ", bearer},
		{Token, "dop_v1_", expression(`^dop_v1_[0-9a-f]{64}`)},
		{Token, "github_pat_", expression(`^github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{40}`)},
		{Credential, "aws_secret_access_key", awsKey},
		{Credential, "AWS_SECRET_ACCESS_KEY", awsKey},
		{Credential, "AccountKey=", expression(`^AccountKey=[A-Za-z0-9+/]{60}`)},
	}
	// The beginnings of a JSON object whose first member is alg, typ, kid, enc,
	// jku or x5t, in Base64.
	for _, anchor := range []string{"eyJhbGciO", "eyJ0eXAiO", "eyJraWQiO", "eyJlbmMiO", "eyJqa3UiO", "eyJ4NXQiO", "eyAiYWxn"} {
		list = append(list, pattern{Token, anchor, expression(`^ey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{20,}`)})
	}
	return list
}

func expression(text string) func([]byte) bool { return regexp.MustCompile(text).Match }

var awsKey = expression(`^(?i:aws_secret_access_key)["']?\s*[=:]\s*["']?[A-Za-z0-9+/]{40}\b`)

// pemBegin is the first line of a private key in PEM (RFC 7468) or OpenPGP's
// armour.
var pemBegin = regexp.MustCompile(`^-----BEGIN ([A-Z0-9]+ ){0,3}PRIVATE KEY( BLOCK)?-----`)

// pemBody is what a body begins with after headers: more Base64 in a row than
// words ever have.
var pemBody = regexp.MustCompile(`^[A-Za-z0-9+/]{40}`)

// privatePEM finds private keys that have a body: programs that read keys have
// the first line too. Bodies may be on one line, quoted or indented.
func privatePEM(data []byte) bool {
	begin := pemBegin.Find(data)
	if begin == nil {
		return false
	}
	text := strings.NewReplacer(`\n`, "\n", `\r`, "\n").Replace(string(data[len(begin):min(len(data), len(begin)+1000)]))
	if text == "" || !strings.ContainsAny(text[:1], " \r\n\t") {
		return false
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \r\n\t\"'|>", r) })
	for i, word := range words {
		if strings.HasPrefix(word, "-----") || i == 12 {
			return false
		}
		if pemBody.MatchString(word) {
			return true
		}
	}
	return false
}

// encodedPEM finds private keys in PEM in Base64, as kubeconfigs have them.
func encodedPEM(data []byte) bool {
	text := make([]byte, 60)
	n, _ := base64.StdEncoding.Decode(text, data[:min(len(data), 80)])
	return pemBegin.Match(text[:n])
}

// bearerToken is a token after the word, with digits and letters.
var bearerToken = regexp.MustCompile(`^Bearer ([A-Za-z0-9._~+/-]{24,})`)

func bearer(data []byte) bool {
	m := bearerToken.FindSubmatch(data)
	if m == nil {
		return false
	}
	digits := 0
	for _, c := range m[1] {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return digits >= 3 && bytes.ContainsAny(m[1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// homePattern finds the path of a home folder, which programs keep that were
// built in it. Those that every machine has tell nothing.
func homePattern(t Traces) (pattern, bool) {
	home := strings.TrimRight(t.Home, "/")
	if len(home) < minAnchor || strings.HasPrefix("/nonexistent", home) {
		return pattern{}, false
	}
	return pattern{"path of the home folder of who bakes", home, func(data []byte) bool {
		return len(data) == len(home) || !bytes.ContainsAny(data[len(home):len(home)+1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
	}}, true
}
