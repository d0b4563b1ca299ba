package leak

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/ingot-k8s/ingot/internal/need"
)

// keyFiles are private keys that real programs have made.
func keyFiles(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	out := map[string]string{}
	keep := func(name, program string, args ...string) {
		t.Helper()
		file := filepath.Join(dir, name)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "FILE", file)
		}
		if said, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(data)
	}
	openssl, keygen := need.Tool(t, "openssl"), need.Tool(t, "ssh-keygen")
	for _, f := range []string{"PEM", "DER"} {
		keep("p256 "+f, openssl, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-outform", f, "-out", "FILE")
		keep("rsa "+f, openssl, "genpkey", "-algorithm", "RSA", "-outform", f, "-out", "FILE")
		keep("ed25519 "+f, openssl, "genpkey", "-algorithm", "ED25519", "-outform", f, "-out", "FILE")
		keep("ed448 PEM", openssl, "genpkey", "-algorithm", "ED448", "-out", "FILE")
		keep("sec1 "+f, openssl, "ec", "-in", filepath.Join(dir, "p256 PEM"), "-outform", f, "-out", "FILE")
		keep("pkcs1 "+f, openssl, "rsa", "-traditional", "-in", filepath.Join(dir, "rsa PEM"), "-outform", f, "-out", "FILE")
		keep("encrypted "+f, openssl, "pkcs8", "-topk8", "-in", filepath.Join(dir, "p256 PEM"), "-passout", "pass:x", "-outform", f, "-out", "FILE")
	}
	keep("old encrypted PEM", openssl, "rsa", "-traditional", "-aes128", "-passout", "pass:x", "-in", filepath.Join(dir, "rsa PEM"), "-out", "FILE")
	keep("openssh", keygen, "-q", "-t", "ed25519", "-N", "", "-f", "FILE")
	keep("openssh encrypted", keygen, "-q", "-t", "ecdsa", "-N", "xxxxx", "-f", "FILE")
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	out["age"] = "# created\n" + id.String() + "\n"
	return out
}

func TestPrivateKeys(t *testing.T) {
	files := keyFiles(t)
	p256 := files["p256 PEM"]
	files["with \\n"] = `{"private_key": "` + strings.ReplaceAll(p256, "\n", `\n`) + `"}`
	files["indented"] = "key: |\n  " + strings.ReplaceAll(p256, "\n", "\n  ")
	files["windows"] = strings.ReplaceAll(p256, "\n", "\r\n")
	files["on one line"] = strings.ReplaceAll(p256, "\n", " ")
	files["after much else"] = strings.Repeat("x", 3<<20) + p256
	files["between chunks"] = strings.Repeat("x", small-20) + p256 + strings.Repeat("x", small)
	files["between chunks too"] = strings.Repeat("x", small+overlap/2+3) + p256 + strings.Repeat("x", small)
	files["in a program"] = "\x7fELF\x00\x00" + p256 + "\x00"
	files["in Base64"] = "key: " + base64.StdEncoding.EncodeToString([]byte(p256))
	files["pgp"] = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n" + strings.Repeat("lQOY", 16) + "\n"
	files["putty"] = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 1\nAAAA\nPrivate-Lines: 1\nAAAA\n"
	files["wireguard"] = "[Interface]\nPrivateKey = " + base64.StdEncoding.EncodeToString(make([]byte, 32)) + "\n"
	for name, content := range files {
		t.Run(name, func(t *testing.T) {
			expect(t, Config{}, []Finding{{"/usr/lib/x", PrivateKey}}, plant{path: "/usr/lib/x", content: content})
		})
	}
}
