package serve_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-k8s/ingot/internal/serve"
)

// A machine's whole way: its script, its token, its identity, and that it has it.
func TestIdentity(t *testing.T) {
	w := newWorld(t, nil)
	script := w.get("/machine.ipxe?mac=52-54-00-00-00-01")
	for _, want := range []string{"#!ipxe\n", "this machine is lab0", "ingot.identity=https://" + w.at + "/identity", "ingot.identity.pin=" + w.server.Pin()} {
		if !strings.Contains(script, want) {
			t.Errorf("the script has no %q:\n%s", want, script)
		}
	}
	token := w.token(mac0)
	if strings.Contains(script, token) {
		t.Error("the script has the token")
	}
	if status, body := w.ask(token, session(1)); status != http.StatusOK || body != string(identity("lab0")) {
		t.Fatalf("got %d: %s", status, body)
	}
	// A connection that broke: the same program asks again.
	if status, body := w.ask(token, session(1)); status != http.StatusOK || body != string(identity("lab0")) {
		t.Fatalf("for the second time: %d: %s", status, body)
	}
	for range 2 { // the answer may have been lost
		if status := w.done(token, session(1), "run"); status != http.StatusNoContent {
			t.Fatalf("done: %d", status)
		}
	}
	if status, body := w.ask(token, session(1)); status != http.StatusForbidden || !strings.Contains(body, "no second time") {
		t.Errorf("after it is kept: %d: %s", status, body)
	}
	if e := w.last(serve.Refused); !e.Alarm || e.Node != "lab0" || e.MAC != mac0 || e.Address == "" {
		t.Errorf("the server tells %+v", e)
	}
	// The next start is without an identity.
	if got := w.token(mac0); got != "" {
		t.Error("there is a token for a machine that keeps its identity")
	}
	script = w.get("/machine.ipxe?mac=" + mac0)
	if strings.Contains(script, "ingot.identity") || !strings.Contains(script, "ingot.medium=") {
		t.Errorf("the script of a machine that runs:\n%s", script)
	}
	w.silent(token, session(1))
}

// silent checks that nothing secret was told.
func (w *world) silent(secrets ...string) {
	w.t.Helper()
	for _, s := range append(secrets, key) {
		if strings.Contains(w.said(), s) {
			w.t.Errorf("the server's events have %.12s...", s)
		}
	}
}

func TestInstalledStartsFromDisk(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token(mac1)
	w.ask(token, session(1))
	if status := w.done(token, session(1), "install"); status != http.StatusNoContent {
		t.Fatalf("done: %d", status)
	}
	if script := w.get("/machine.ipxe?mac=" + mac1); !strings.Contains(script, "\nexit\n") || strings.Contains(script, "kernel") {
		t.Errorf("the script is\n%s", script)
	}
}

// A token that another program has used is of no use, whichever was first.
func TestSecondUser(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token(mac0)
	if status, _ := w.ask(token, session(1)); status != http.StatusOK {
		t.Fatal(status)
	}
	status, body := w.ask(token, session(2))
	if status != http.StatusForbidden || strings.Contains(body, key) {
		t.Errorf("the second gets %d: %s", status, body)
	}
	if e := w.last(serve.Refused); !e.Alarm || e.Node != "lab0" || !strings.Contains(e.Text, "used by another program") {
		t.Errorf("the server tells %+v", e)
	}
	if status := w.done(token, session(2), "run"); status != http.StatusForbidden {
		t.Errorf("the second says that it is done, and gets %d", status)
	}
	// The first goes on as if nothing had been.
	if status, _ := w.ask(token, session(1)); status != http.StatusOK {
		t.Errorf("the first gets %d", status)
	}
	w.silent(token, session(1), session(2))
}

// A machine that has lost its power starts again and gets its identity; the
// token of the first start is nothing any more.
func TestPowerCut(t *testing.T) {
	w := newWorld(t, nil)
	first := w.token(mac0)
	if e := w.last(serve.Offered); e.Alarm {
		t.Errorf("the first start is an alarm: %+v", e)
	}
	w.ask(first, session(1))
	second := w.token(mac0)
	if second == first {
		t.Fatal("the second start has the same token")
	}
	if e := w.last(serve.Offered); !e.Alarm || !strings.Contains(e.Text, "did not lose its power") {
		t.Errorf("the server tells %+v", e)
	}
	if status, body := w.ask(first, session(1)); status != http.StatusForbidden || !strings.Contains(body, "has started after this one") {
		t.Errorf("the old token gets %d: %s", status, body)
	}
	if status := w.done(first, session(1), "run"); status != http.StatusForbidden {
		t.Errorf("the old token is done: %d", status)
	}
	if status, body := w.ask(second, session(2)); status != http.StatusOK || body != string(identity("lab0")) {
		t.Errorf("the new token gets %d: %s", status, body)
	}
	w.silent(first, second)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token(mac0)
	for name, c := range map[string]struct {
		scheme, path  string
		authorization string
		session, body string
		status        int
		want          string
	}{
		"no header":      {"https", "/identity", "", session(1), "", 401, "Authorization: Bearer"},
		"other scheme":   {"https", "/identity", "Basic " + token, session(1), "", 401, "Authorization: Bearer"},
		"no token":       {"https", "/identity", "Bearer x", session(1), "", 401, "64 digits"},
		"upper case":     {"https", "/identity", "Bearer " + strings.ToUpper(token), session(1), "", 401, "64 digits"},
		"wrong token":    {"https", "/identity", "Bearer " + session(7), session(1), "", 401, "start the machine again"},
		"no session":     {"https", "/identity", "Bearer " + token, "", "", 400, "Ingot-Session"},
		"in the clear":   {"http", "/identity", "Bearer " + token, session(1), "", 403, "over HTTPS only"},
		"done, clear":    {"http", "/identity/done", "Bearer " + token, session(1), `{"outcome": "run"}`, 403, "over HTTPS only"},
		"done, unasked":  {"https", "/identity/done", "Bearer " + token, session(1), `{"outcome": "run"}`, 403, "another program"},
		"done, no body":  {"https", "/identity/done", "Bearer " + token, session(1), "", 400, "the body is not"},
		"done, unknown":  {"https", "/identity/done", "Bearer " + token, session(1), `{"outcome": "x"}`, 400, "unknown (install, run)"},
		"done, too long": {"https", "/identity/done", "Bearer " + token, session(1), strings.Repeat(" ", 2000) + `{"outcome": "run"}`, 400, "the body is not"},
	} {
		t.Run(name, func(t *testing.T) {
			header := map[string]string{}
			for name, value := range map[string]string{"Authorization": c.authorization, "Ingot-Session": c.session} {
				if value != "" {
					header[name] = value
				}
			}
			status, body := w.do(http.MethodPost, c.scheme+"://"+w.at+c.path, header, c.body)
			if status != c.status || !strings.Contains(body, c.want) || strings.Contains(body, key) {
				t.Errorf("got %d: %s", status, body)
			}
			if e := w.last(serve.Refused); !strings.Contains(e.Text, c.want) || e.Address == "" {
				t.Errorf("the server tells %+v", e)
			}
		})
	}
	// None of this has used the token up.
	if status, _ := w.ask(token, session(1)); status != http.StatusOK {
		t.Errorf("the right request gets %d", status)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut} {
		if status, body := w.do(method, "https://"+w.at+"/identity?token="+token, nil, ""); status != http.StatusMethodNotAllowed || strings.Contains(body, key) {
			t.Errorf("%s: %d: %s", method, status, body)
		}
	}
	w.silent(token)
}

// Another run of the server knows no token of the first.
func TestRestart(t *testing.T) {
	first, second := newWorld(t, nil), newWorld(t, nil)
	token := first.token(mac0)
	if status, body := second.ask(token, session(1)); status != http.StatusUnauthorized || !strings.Contains(body, "start the machine again") {
		t.Errorf("got %d: %s", status, body)
	}
	if first.server.Pin() == second.server.Pin() {
		t.Error("two runs have the same certificate")
	}
}

// Of many programs that use a token at once, one gets the identity.
func TestOnlyOne(t *testing.T) {
	w := newWorld(t, nil)
	token := w.token(mac0)
	var mu sync.Mutex
	var group sync.WaitGroup
	won := 0
	for n := range 20 {
		group.Go(func() {
			if status, _ := w.ask(token, session(n+1)); status == http.StatusOK {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if won != 1 {
		t.Errorf("%d programs have the identity", won)
	}
}

// With Once the server ends when the last machine keeps its identity.
func TestOnce(t *testing.T) {
	w := newWorld(t, func(c *serve.Config) { c.Once, c.Nodes = true, c.Nodes[:2] })
	for i, mac := range []string{mac0, mac1} {
		token := w.token(mac)
		w.ask(token, session(i+1))
		if status := w.done(token, session(i+1), "run"); status != http.StatusNoContent {
			t.Fatal(status)
		}
		if e := w.last(serve.Done); i == 0 && !strings.Contains(e.Text, `1 to go: ["lab1"]`) {
			t.Errorf("the server tells %+v", e)
		}
	}
	w.client.CloseIdleConnections()
	if err := <-w.ended; err != nil {
		t.Errorf("the server ends with %v", err)
	}
	w.stop = nil
	for _, n := range w.server.States() {
		if n.Given != 1 || n.Outcome != serve.Running {
			t.Errorf("at the end: %+v", n)
		}
	}
}
