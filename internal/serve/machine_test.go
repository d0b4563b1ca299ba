package serve_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/serve"
)

func TestParseMAC(t *testing.T) {
	for text, want := range map[string]string{
		"52:54:00:12:34:56": "52:54:00:12:34:56",
		"52-54-00-AB-CD-EF": "52:54:00:ab:cd:ef",
		"5254.0012.3456":    "", "52:54:00:12:34": "", "01:54:00:12:34:56": "", "00:00:00:00:00:00": "",
		"52:54:00:12:34:56:78:90": "", "": "", "lab0": "",
	} {
		got, err := serve.ParseMAC(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestParseSerial(t *testing.T) {
	for text, want := range map[string]string{
		" SN 42 ":                              "SN 42",
		"8A6F0B9E-5A0C-4F0E-9A3B-111111111111": uuid1,
		"":                                     "", "   ": "", "a\nb": "", "gerät": "", strings.Repeat("x", 65): "",
	} {
		got, err := serve.ParseSerial(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// Each way by which a machine is known, and those by which it is not.
func TestKnown(t *testing.T) {
	w := newWorld(t, nil)
	for query, want := range map[string]string{
		"mac=52-54-00-00-00-01":                     "this machine is lab0 ",
		"mac=52:54:00:00:00:01&serial=unlike":       "this machine is lab0 ",
		"serial=SN-1":                               "this machine is lab1 ",
		"uuid=" + strings.ToUpper(uuid1):            "this machine is lab1 ",
		"mac=52-54-00-00-00-02&serial=SN-1":         "this machine is lab1 ",
		"mac=" + macNew:                             "no node of cluster lab",
		"serial=sn-1":                               "no node of cluster lab",
		"mac=52-54-00-00-00-01&serial=SN-1":         `node _lab0_ and that of node _lab1_`,
		"mac=" + macNew + "&serial=%24%7Buuid%7D+x": "serial number __{uuid} x",
	} {
		script := w.get("/machine.ipxe?" + query)
		want = strings.NewReplacer("{", "_", "}", "_").Replace(want)
		if !strings.HasPrefix(script, "#!ipxe\n") || !strings.Contains(script, want) {
			t.Errorf("%s: no %q in\n%s", query, want, script)
		}
	}
	if e := w.last(serve.Unknown); e.Node != "" || e.Address == "" {
		t.Errorf("the server tells %+v", e)
	}
	for _, query := range []string{"", "uuid=00000000-0000-0000-0000-000000000000", "mac=x", "uuid=x", "serial=", "mac=01:00:00:00:00:00"} {
		if status, body := w.do(http.MethodGet, "http://"+w.at+"/machine.ipxe?"+query, nil, ""); status != http.StatusBadRequest {
			t.Errorf("%q: %d: %s", query, status, body)
		}
	}
	if status, _ := w.do(http.MethodGet, "http://"+w.at+"/machine.initrd?mac="+macNew, nil, ""); status != http.StatusNotFound {
		t.Errorf("an unknown machine gets %d for an initrd", status)
	}
}

// The next unknown machine becomes a node, and stays that.
func TestNext(t *testing.T) {
	w := newWorld(t, func(c *serve.Config) { c.Next = []string{"lab2", "lab0"} })
	if script := w.get("/machine.ipxe?mac=" + mac0); !strings.Contains(script, "lab0") {
		t.Errorf("a known machine:\n%s", script)
	}
	for range 2 {
		if script := w.get("/machine.ipxe?mac=" + macNew); !strings.Contains(script, "this machine is lab2") {
			t.Errorf("the unknown machine:\n%s", script)
		}
	}
	if e := w.last(serve.Started); e.Node != "lab2" || e.MAC != macNew {
		t.Errorf("the server tells %+v", e)
	}
	if script := w.get("/machine.ipxe?serial=other"); !strings.Contains(script, "this machine is lab0") {
		t.Errorf("the next unknown machine:\n%s", script)
	}
	if script := w.get("/machine.ipxe?serial=third"); !strings.Contains(script, "no node of cluster") {
		t.Errorf("one more:\n%s", script)
	}
	token := w.token(macNew)
	if _, body := w.ask(token, session(1)); body != string(identity("lab2")) {
		t.Errorf("the unknown machine gets %q", body)
	}
}

// Whatever a machine says of itself, its script is one, and each line of it one
// that the server means.
func FuzzMachine(f *testing.F) {
	f.Add("52-54-00-00-00-01", "SN-1", uuid1)
	f.Add("", "${uuid} || exit\nshell", "")
	f.Add(macNew, "&mac=52:54:00:00:00:01", "x")
	f.Fuzz(func(t *testing.T, mac, serial, uuid string) {
		query := url.Values{"mac": {mac}, "serial": {serial}, "uuid": {uuid}}
		first, err := serve.ParseQuery(query)
		if err != nil {
			return
		}
		again, err := url.ParseQuery(first.Query())
		if err != nil {
			t.Fatal(err)
		}
		if second, err := serve.ParseQuery(again); err != nil || second != first {
			t.Fatalf("%+v comes back as %+v, %v", first, second, err)
		}
		script := serve.UnknownScript(first)
		if lines := strings.Count(script, "\n"); lines != 7 || strings.Contains(script, "${") || strings.Contains(script, "||") {
			t.Errorf("%d lines:\n%s", lines, script)
		}
		for _, r := range script {
			if r != '\n' && (r < ' ' || r > '~') {
				t.Fatalf("the script has %q", r)
			}
		}
	})
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer " + strings.Repeat("0", 64))
	f.Add("bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		text, ok := serve.ParseBearer(header)
		if ok && (len(text) != 32 || len(header) != len("Bearer ")+64) {
			t.Errorf("%q is taken", header)
		}
	})
}
