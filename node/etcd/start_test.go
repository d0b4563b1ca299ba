package etcd

import (
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFirstStart: two of three wait for the third, which is late, and then all
// are one cluster, which comes back after a power cut of all.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	t.Cleanup(w.tearDown)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	a.on()
	w.hears(a, "lab1 does not answer, lab2 does not answer")
	b.on()
	w.hears(a, "lab2 does not answer; lab1 has no data either")
	w.stays("without the third", 2*time.Second, func() error { return untouched(a) })
	must(t, untouched(b))
	c.on()
	w.well(a, b, c)
	w.put(a, "greeting", "hello")
	w.holds("greeting", "hello", a, b, c)
	w.hears(c, "is a voting member, one of 3")

	first, err := readData(a.root)
	must(t, err)
	for _, m := range w.machines {
		m.off()
		m.forget()
	}
	for _, m := range w.machines {
		m.on()
	}
	w.hears(b, "comes back")
	w.well(a, b, c)
	w.holds("greeting", "hello", a, b, c)
	again, err := readData(a.root)
	must(t, err)
	if first != again || first.Cluster == 0 {
		t.Errorf("it was %v and is %v", first, again)
	}
}

// TestOneController starts at once, and comes back.
func TestOneController(t *testing.T) {
	w := start(t, 1)
	a := w.machines[0]
	w.put(a, "greeting", "hello")
	a.off()
	a.on()
	w.well(a)
	w.holds("greeting", "hello", a)
	if err := a.keeper().Leave(t.Context()); err == nil || !strings.Contains(err.Error(), "last voting member") {
		t.Errorf("leaving: %v", err)
	}
}

// TestCrashAtFirstStart: one of three loses power after each step of a first
// start.
func TestCrashAtFirstStart(t *testing.T) {
	for _, step := range []string{"nonce", "agreed", "settings", "started"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3)
			t.Cleanup(w.tearDown)
			a := w.machines[0]
			reached := a.crashAt(step)
			for _, m := range w.machines {
				m.on()
			}
			reach(t, step, reached)
			a.off()
			a.edit = nil
			a.on()
			w.well(w.machines...)
		})
	}
}

// TestPowerCutAtFirstStart: one loses power when it has agreed, the others as
// soon as etcd was let start, and then all of them.
func TestPowerCutAtFirstStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	t.Cleanup(w.tearDown)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	agreed, started := a.crashAt("agreed"), [2]<-chan struct{}{b.crashAt("settings"), c.crashAt("settings")}
	for _, m := range w.machines {
		m.on()
	}
	reach(t, "agreed", agreed)
	w.stays("without the first", 2*time.Second, func() error { return errors.Join(untouched(b), untouched(c)) })
	a.off()
	a.edit = nil
	a.on()
	select { // whichever is first: the other one may have to wait for it
	case <-started[0]:
	case <-started[1]:
	case <-time.After(patience):
		t.Fatal("neither was started")
	}
	for _, m := range w.machines {
		m.off()
		m.edit = nil
	}
	for _, m := range w.machines {
		m.on()
	}
	w.well(w.machines...)
}

// TestPartitionAtFirstStart cuts one node off at every stage. Keepers do not
// get through; an etcd that runs does.
func TestPartitionAtFirstStart(t *testing.T) {
	for _, step := range []string{"", "agreed", "settings"} {
		t.Run("from "+step, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 3)
			t.Cleanup(w.tearDown)
			a, rest := w.machines[0], w.machines[1:]
			apart := make(chan struct{})
			if step == "" {
				w.part(true, []*machine{a}, rest)
				close(apart)
			} else {
				var once sync.Once
				a.edit = func(c *Config) {
					c.Crash = func(s string) {
						if s == step {
							once.Do(func() { w.part(true, []*machine{a}, rest); close(apart) })
						}
					}
				}
			}
			for _, m := range w.machines {
				m.on()
			}
			reach(t, step, apart)
			w.stays("apart", 3*time.Second, func() error {
				if step == "settings" {
					return nil // all have agreed then, so any of them may start
				}
				return errors.Join(untouched(w.machines[0]), untouched(w.machines[1]), untouched(w.machines[2]))
			})
			w.part(false, []*machine{a}, rest)
			w.well(w.machines...)
		})
	}
}

// TestOtherDefinition: nodes with other controllers in their identities never
// start a cluster together.
func TestOtherDefinition(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	t.Cleanup(w.tearDown)
	odd := w.machines[2]
	odd.identity([]*machine{w.machines[1], w.machines[0], odd})
	for _, m := range w.machines {
		m.on()
	}
	w.hears(w.machines[0], "lab2 was given other controllers than this node")
	w.stays("with two definitions", 2*time.Second, func() error {
		return errors.Join(untouched(w.machines[0]), untouched(w.machines[1]), untouched(odd))
	})
	odd.off()
	odd.identity(w.machines)
	odd.on()
	w.well(w.machines...)
}

// TestForeignCertificates: nobody without a certificate of the authority etcd
// gets a word out of a node, or counts as one.
func TestForeignCertificates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	t.Cleanup(w.tearDown)
	a, stranger := w.machines[0], w.machines[1]
	stranger.certificates(newAuthority(t))
	a.on()
	stranger.on()
	w.hears(a, "lab1 does not answer (its certificate: x509: certificate signed by unknown authority")
	w.hears(stranger, "lab0 does not answer (its certificate:")
	w.stays("with a stranger", 2*time.Second, func() error { return errors.Join(untouched(a), untouched(stranger)) })

	ask := func(m *machine, withCert bool) Answer {
		tr, err := readTrust(m.root)
		must(t, err)
		config := tr.peer.Clone()
		config.RootCAs = x509.NewCertPool()
		config.RootCAs.AddCert(w.ca.cert)
		if !withCert {
			config.Certificates = nil
		}
		k := a.keeper()
		return hear(t.Context(), k.web(), config, k.facts.Me())
	}
	if got := ask(stranger, true); got.Said != nil || got.Runs != nil || !strings.Contains(got.Err, "it does not trust this node: tls:") {
		t.Errorf("with a foreign certificate: %+v", got)
	}
	if got := ask(a, false); got.Said != nil || got.Runs != nil || !strings.Contains(got.Err, "it does not trust this node: tls:") {
		t.Errorf("without a certificate: %+v", got)
	}
	if got := ask(a, true); got.Said == nil || got.Said.State != stateEmpty || got.Said.Node != "lab0" {
		t.Errorf("with its own: %+v", got)
	}
	plain, err := http.Get("http://" + a.ip + ":2380" + agreementPath)
	if err == nil {
		if _ = plain.Body.Close(); plain.StatusCode == http.StatusOK {
			t.Error("plain text was answered")
		}
	}
	stranger.off()
	stranger.certificates(w.ca)
	stranger.on()
	w.well(a, stranger)
}

// TestAuthorityOfTheImage: an identity of another authority is refused.
func TestAuthorityOfTheImage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	t.Cleanup(w.tearDown)
	w.machines[0].write("usr/lib/ingot/pki/etcd.crt", newAuthority(t).pem)
	w.machines[0].on()
	w.hears(w.machines[0], "is not that of the image")
	w.stays("refused", time.Second, func() error { return untouched(w.machines[0]) })
}
