package machine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newConsole is the console of a machine that is only a log.
func newConsole(t *testing.T) (m *Machine, say func(string)) {
	t.Helper()
	m = &Machine{cfg: Config{Name: "fake", Dir: t.TempDir()}, done: make(chan struct{})}
	log, err := os.OpenFile(filepath.Join(m.cfg.Dir, ConsoleLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	say = func(s string) {
		t.Helper()
		if _, err := log.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	say("login: of an earlier start\n")
	if m.console, err = openConsole(m); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = log.Close()
		if !m.Ended() {
			m.console.close()
		}
	})
	return m, say
}

func expect(t *testing.T, c *Console, want, line string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := c.Expect(ctx, regexp.MustCompile(want))
	if err != nil || got.Text != line {
		t.Errorf("%s: got %q, %v; want %q", want, got.Text, err, line)
	}
}

func TestExpect(t *testing.T) {
	m, say := newConsole(t)
	c := m.Console()
	say("one\r\n\x1b[32mtwo\x1b[0m 2\r\nthr")
	expect(t, c, `^two (\d)$`, "two 2")
	go func() {
		time.Sleep(3 * poll)
		say("ee\r\nfour\n")
	}()
	expect(t, c, `thr`, "three") // the whole line
	expect(t, c, `four`, "four")
	if got := c.Text(); got != "one\ntwo 2\nthree\nfour\n" {
		t.Errorf("all that was said: %q", got)
	}
}

func TestExpectGroups(t *testing.T) {
	m, say := newConsole(t)
	say("this is lab0 of cluster lab\n")
	got, err := m.Console().Expect(t.Context(), regexp.MustCompile(`this is (\S+) of cluster (\S+)`))
	if err != nil || len(got.Match) != 3 || got.Match[1] != "lab0" || got.Match[2] != "lab" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPrompt(t *testing.T) {
	m, say := newConsole(t)
	say("lab0 login: ")
	ctx, cancel := context.WithTimeout(t.Context(), 3*poll)
	defer cancel()
	if got, err := m.Console().Expect(ctx, regexp.MustCompile("login:")); !errors.Is(err, context.DeadlineExceeded) ||
		!strings.Contains(err.Error(), "lab0 login:") {
		t.Errorf("half a line: got %+v, %v; want the deadline, and what was said", got, err)
	}
	if got, err := m.Console().Prompt(t.Context(), regexp.MustCompile("login:")); err != nil || got.Text != "lab0 login: " {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestExpectNever(t *testing.T) {
	m, say := newConsole(t)
	say("before\nKernel panic - not syncing: x\nwanted\n")
	_, err := m.Console().Expect(t.Context(), regexp.MustCompile("wanted"), regexp.MustCompile("never"), regexp.MustCompile("panic - (.*)"))
	var unwanted *UnwantedError
	if !errors.As(err, &unwanted) || unwanted.Line.Match[1] != "not syncing: x" || !strings.HasPrefix(unwanted.Tail, "before\n") {
		t.Fatalf("got %v, want an *UnwantedError", err)
	}
	expect(t, m.Console(), "wanted", "wanted") // it goes on behind it
}

// TestExpectEnded has a machine that says what is wanted as its last words,
// and nothing more.
func TestExpectEnded(t *testing.T) {
	m, say := newConsole(t)
	go func() {
		time.Sleep(poll)
		say("last words\n")
		m.console.close()
		close(m.done)
	}()
	expect(t, m.Console(), "last", "last words")
	if _, err := m.Console().Expect(t.Context(), regexp.MustCompile("more")); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v, want ErrEnded", err)
	}
}
