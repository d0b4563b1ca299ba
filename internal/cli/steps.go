package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"golang.org/x/term"
)

// steps shows the steps of a bake: on a terminal those that run, each with a
// bar, below those that ended; elsewhere a line for each end. It is safe for
// concurrent use.
type steps struct {
	w    io.Writer
	live bool

	mu      sync.Mutex
	running []*stepState
	lines   int // on the terminal, below the cursor's line of text
	drawn   time.Time
}

type stepState struct {
	name        string
	began       time.Time
	done, total int64
	text        string
}

var _ builder.Progress = (*steps)(nil)

func (a *app) steps() *steps {
	f, ok := a.stderr.(*os.File)
	return &steps{w: a.stderr, live: ok && term.IsTerminal(int(f.Fd()))}
}

// Begin implements builder.Progress.
func (s *steps) Begin(step string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, &stepState{name: step, began: time.Now()})
	s.draw(true)
}

func (s *steps) find(step string) *stepState {
	for _, r := range s.running {
		if r.name == step {
			return r
		}
	}
	return &stepState{} // ended already: nothing to show
}

// Advance implements builder.Progress.
func (s *steps) Advance(step string, done, total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(step)
	r.done, r.total = done, total
	s.draw(false)
}

// Say implements builder.Progress.
func (s *steps) Say(step, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.find(step)
	if r.text == text {
		return
	}
	r.text = text
	if !s.live && r.name != "" {
		_, _ = fmt.Fprintf(s.w, "%s: %s\n", step, text)
	}
	s.draw(true)
}

// End implements builder.Progress.
func (s *steps) End(step string, took time.Duration, cached bool, size int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.running {
		if r.name == step {
			s.running = append(s.running[:i], s.running[i+1:]...)
			break
		}
	}
	s.clear()
	outcome := fmt.Sprintf("%.1f s", took.Seconds())
	switch {
	case err != nil:
		outcome = "stopped after " + outcome
	case cached:
		outcome += ", from the cache"
	}
	if size > 0 && err == nil {
		outcome += ", " + megabytes(size)
	}
	_, _ = fmt.Fprintf(s.w, "%-22s %s\n", step, outcome)
	s.draw(true)
}

// warn shows a warning above the steps.
func (s *steps) warn(message string) { s.line("warning: " + message) }

// line shows a line above the steps.
func (s *steps) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	_, _ = fmt.Fprintf(s.w, "%s\n", text)
	s.draw(true)
}

// clear takes the steps that run off the terminal.
func (s *steps) clear() {
	if s.lines > 0 {
		_, _ = fmt.Fprintf(s.w, "\r\x1b[%dA\x1b[J", s.lines)
		s.lines = 0
	}
}

// draw shows the steps that run; not too often, unless it must be now.
func (s *steps) draw(now bool) {
	at := time.Now()
	if !s.live || (!now && at.Sub(s.drawn) < redraw) {
		return
	}
	s.drawn = at
	s.clear()
	for _, r := range s.running {
		_, _ = fmt.Fprintf(s.w, "%s\x1b[K\n", r.line(at))
	}
	s.lines = len(s.running)
}

// barWidth is in characters.
const barWidth = 24

// line is a step that runs, for a terminal.
func (r *stepState) line(now time.Time) string {
	took := now.Sub(r.began)
	out := fmt.Sprintf("%-22s %3.0f s", r.name, took.Seconds())
	if r.total > 0 {
		part := min(float64(r.done)/float64(r.total), 1)
		full := int(part * barWidth)
		out += fmt.Sprintf("  [%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), part*100)
		if r.total > 1<<20 {
			out += " of " + megabytes(r.total)
		}
		if part > 0.02 && took > time.Second {
			out += fmt.Sprintf(", %.0f s left", took.Seconds()*(1-part)/part)
		}
	}
	if r.text != "" {
		out += "  " + r.text
	}
	return out
}

func megabytes(n int64) string {
	if n < 100e3 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	if n < 10e6 {
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%d MB", (n+500e3)/1e6)
}
