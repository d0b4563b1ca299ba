package serve_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/serve"
)

// curl fetches what is served, whole and in two parts, and sha256sum finds it
// right.
func TestFiles(t *testing.T) {
	w := newWorld(t, nil)
	curl, dir := need.Tool(t, "curl"), t.TempDir()
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %q: %v: %s", name, args, err, out)
		}
	}
	names := []string{"vmlinuz", "initrd", "boot.initrd", "boot.iso"}
	for _, name := range names {
		run(curl, "--silent", "--fail", "--range", "0-1000", "--output", name, "http://"+w.at+"/"+name)
		run(curl, "--silent", "--fail", "--continue-at", "-", "--output", name, "http://"+w.at+"/"+name)
	}
	run(curl, "--silent", "--fail", "--insecure", "--output", "SHA256SUMS", "https://"+w.at+"/SHA256SUMS")
	run("sha256sum", "--check", "--strict", "SHA256SUMS")
	data, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	must(t, err)
	if got := strings.Count(string(data), "\n"); got != len(names) {
		t.Errorf("SHA256SUMS has %d lines:\n%s", got, data)
	}
	for name, want := range files() {
		if got, err := os.ReadFile(filepath.Join(dir, name)); name != "ingot.json" && (err != nil || string(got) != want) {
			t.Errorf("%s is another: %v", name, err)
		}
	}
	if e := w.last(serve.Fetched); !strings.Contains(e.Text, "boot.iso: sent ") || !strings.Contains(e.Text, `asked for as "bytes=1001-"`) {
		t.Errorf("the server tells %+v", e)
	}
}

func TestFileHeaders(t *testing.T) {
	w := newWorld(t, nil)
	resp, err := w.client.Get("http://" + w.at + "/vmlinuz")
	must(t, err)
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	must(t, resp.Body.Close())
	sum := sha256.Sum256(body)
	if got, want := resp.Header.Get("ETag"), `"`+hex.EncodeToString(sum[:])+`"`; got != want {
		t.Errorf("the ETag is %s, want %s", got, want)
	}
	if got, want := resp.Header.Get("Repr-Digest"), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"; got != want {
		t.Errorf("the digest is %s, want %s", got, want)
	}
	if status, _ := w.do(http.MethodGet, "http://"+w.at+"/vmlinuz", map[string]string{"If-None-Match": resp.Header.Get("ETag")}, ""); status != http.StatusNotModified {
		t.Errorf("the same again is %d", status)
	}
	for _, path := range []string{"/", "/ingot.json", "/config.iso", "/../etc/passwd", "/identity/x"} {
		if status, _ := w.do(http.MethodGet, "http://"+w.at+path, nil, ""); status != http.StatusNotFound {
			t.Errorf("%s is %d", path, status)
		}
	}
}

// The third initrd is what cpio takes: the token, for root alone. Linux finds
// it at a multiple of 4, behind the other two.
func TestInitrd(t *testing.T) {
	w := newWorld(t, nil)
	cpio := need.Tool(t, "cpio")
	initrd, content := w.get("/machine.initrd?mac="+mac0), files()
	first, second := len(content["initrd"]), len(content["boot.initrd"])
	at := (first + 3) / 4 * 4
	third := at + (second+3)/4*4
	if initrd[:first] != content["initrd"] || initrd[at:at+second] != content["boot.initrd"] || strings.Trim(initrd[first:at]+initrd[at+second:third], "\x00") != "" {
		t.Fatal("the first two are not there, with zeros between them")
	}
	cmd := exec.CommandContext(t.Context(), cpio, "--list", "--verbose", "--quiet")
	cmd.Stdin = strings.NewReader(initrd[third:])
	list, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(list), "drwxr-xr-x") || strings.Count(string(list), "\n") != 3 {
		t.Errorf("cpio lists %v\n%s", err, list)
	}
	if line := string(list[bytes.LastIndex(bytes.TrimSpace(list), []byte("\n"))+1:]); !strings.HasPrefix(line, "-rw-------") || !strings.Contains(line, " root ") || !strings.HasSuffix(strings.TrimSpace(line), " "+serve.TokenFile) {
		t.Errorf("the token is %s", line)
	}
	cmd = exec.CommandContext(t.Context(), cpio, "--extract", "--to-stdout", "--quiet", serve.TokenFile)
	cmd.Stdin = strings.NewReader(initrd[third:])
	token, err := cmd.Output()
	must(t, err)
	if status, body := w.ask(strings.TrimSpace(string(token)), session(1)); status != http.StatusOK || body != string(identity("lab0")) {
		t.Errorf("with what cpio finds: %d: %s", status, body)
	}
	w.silent(strings.TrimSpace(string(token)))
}

func TestFirstScript(t *testing.T) {
	w := newWorld(t, nil)
	script := w.get("/boot.ipxe")
	want := "chain --replace http://" + w.at + "/machine.ipxe?mac=${netX/mac:hexhyp}&serial=${serial:uristring}&uuid=${uuid} ||\n"
	if !strings.HasPrefix(script, "#!ipxe\n") || !strings.Contains(script, want) {
		t.Errorf("got\n%s", script)
	}
}

// Addresses are those by which the machine has come; a name is of no use to it.
func TestAddresses(t *testing.T) {
	w := newWorld(t, nil)
	_, port, err := net.SplitHostPort(w.at)
	must(t, err)
	for host, want := range map[string]string{
		"10.0.2.2:" + port: "http://10.0.2.2:" + port + "/",
		"[fd00::1]:8470":   "http://[fd00::1]:8470/",
		"10.0.2.2":         "http://10.0.2.2:80/",
		"boot.lan:8470":    "http://" + w.at + "/",
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.at+"/machine.ipxe?mac="+mac0, nil)
		must(t, err)
		req.Host = host
		resp, err := w.client.Do(req)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if !strings.Contains(string(body), "ingot.medium="+want+"boot.iso ") || !strings.Contains(string(body), "kernel --name kernel "+want+"vmlinuz ") {
			t.Errorf("%s: no %s in\n%s", host, want, body)
		}
	}
	if _, body := w.do(http.MethodGet, "https://"+w.at+"/machine.ipxe?mac="+mac0, nil, ""); !strings.Contains(body, "ingot.medium=https://"+w.at) {
		t.Errorf("by HTTPS:\n%s", body)
	}
}

// One port has both protocols, whoever says nothing, or nonsense, meanwhile.
func TestEither(t *testing.T) {
	w := newWorld(t, nil)
	for range 50 {
		mute, err := net.Dial("tcp", w.at)
		must(t, err)
		t.Cleanup(func() { _ = mute.Close() })
	}
	rude, err := net.Dial("tcp", w.at)
	must(t, err)
	_, err = rude.Write(append([]byte{22, 3, 1, 0xff, 0xff}, make([]byte, 100)...))
	must(t, err)
	must(t, rude.SetReadDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.Copy(io.Discard, rude); err != nil {
		t.Errorf("a connection that is no TLS stays: %v", err)
	}
	must(t, rude.Close())
	for _, scheme := range []string{"http", "https"} {
		if status, _ := w.do(http.MethodGet, scheme+"://"+w.at+"/SHA256SUMS", nil, ""); status != http.StatusOK {
			t.Errorf("%s: %d", scheme, status)
		}
	}
	c, err := tls.Dial("tcp", w.at, &tls.Config{InsecureSkipVerify: true})
	must(t, err)
	sum := sha256.Sum256(c.ConnectionState().PeerCertificates[0].Raw)
	if got := fmt.Sprintf("%x", sum); got != w.server.Pin() {
		t.Errorf("the certificate has %s, and the server says %s", got, w.server.Pin())
	}
	must(t, c.Close())
}

// What is under way when the server is told to end comes to its end.
func TestGraceful(t *testing.T) {
	big := files()
	big["vmlinuz"] = strings.Repeat("0123456789abcdef", 2<<20)
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", big), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	w := newWorld(t, func(c *serve.Config) { c.Medium = medium })
	resp, err := w.client.Get("http://" + w.at + "/vmlinuz")
	must(t, err)
	w.stop()
	h := sha256.New()
	n, err := io.Copy(h, resp.Body)
	must(t, resp.Body.Close())
	if err != nil || n != int64(len(big["vmlinuz"])) || hex.EncodeToString(h.Sum(nil)) != medium.SHA256("vmlinuz") {
		t.Errorf("got %d of %d bytes, %v", n, len(big["vmlinuz"]), err)
	}
}
