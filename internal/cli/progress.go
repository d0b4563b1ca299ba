package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long step is: one line that is written again on a
// terminal, nothing else where stderr is a file or a pipe. It is safe for
// concurrent use.
type progress struct {
	w     io.Writer
	live  bool
	what  string
	total int

	mu    sync.Mutex
	done  int
	drawn time.Time
}

// redraw is the shortest time between two drawings of the line.
const redraw = 100 * time.Millisecond

func (a *app) progress(what string, total int) *progress {
	f, ok := a.stderr.(*os.File)
	return &progress{w: a.stderr, live: ok && term.IsTerminal(int(f.Fd())), what: what, total: total}
}

// step says that one more is done.
func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if now := time.Now(); p.live && (now.Sub(p.drawn) > redraw || p.done == p.total) {
		p.drawn = now
		_, _ = fmt.Fprintf(p.w, "\r\x1b[K%s: %d of %d", p.what, p.done, p.total)
	}
}

// end takes the line away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live && p.done > 0 {
		_, _ = fmt.Fprint(p.w, "\r\x1b[K")
	}
}
