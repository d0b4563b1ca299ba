// Package show tells Packer what is being done.
package show

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
)

// progress tells Packer a line for each end of a step, and the same for
// machines: step, its name, seconds, whether it was in the cache, bytes.
type progress struct {
	ui packersdk.Ui

	mu   sync.Mutex
	said map[string]string // by step
}

var _ builder.Progress = (*progress)(nil)

// Begin implements builder.Progress.
func (p *progress) Begin(string) {}

// Advance implements builder.Progress.
func (p *progress) Advance(string, int64, int64) {}

// Say implements builder.Progress.
func (p *progress) Say(step, text string) {
	p.mu.Lock()
	again := p.said[step] == text
	if p.said == nil {
		p.said = map[string]string{}
	}
	p.said[step] = text
	p.mu.Unlock()
	if !again {
		p.ui.Say(step + ": " + text)
	}
}

// End implements builder.Progress.
func (p *progress) End(step string, took time.Duration, cached bool, size int64, err error) {
	outcome := fmt.Sprintf("%.1f s", took.Seconds())
	switch {
	case err != nil:
		outcome = "stopped after " + outcome
	case cached:
		outcome += ", from the cache"
	}
	p.ui.Say(fmt.Sprintf("%-22s %s", step, outcome))
	if err == nil {
		p.ui.Machine("step", step, strconv.FormatFloat(took.Seconds(), 'f', 1, 64), strconv.FormatBool(cached), strconv.FormatInt(size, 10))
	}
}

// Progress tells Packer what a bake is at.
func Progress(ui packersdk.Ui) builder.Progress { return &progress{ui: ui} }

// logger tells Packer the warnings of a key store.
func logger(ui packersdk.Ui) *slog.Logger {
	return slog.New(slog.NewTextHandler(lines{ui}, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// lines is a writer of whole lines to Packer.
type lines struct{ ui packersdk.Ui }

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) {
	l.ui.Say(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
