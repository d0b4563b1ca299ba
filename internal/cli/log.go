package cli

import (
	"context"
	"log/slog"
	"strings"
)

// lineHandler writes log records as people expect them on a terminal, one a
// line: "warning: message key=value".
type lineHandler struct {
	app   *app
	level slog.Level
	attrs []slog.Attr
}

var _ slog.Handler = (*lineHandler)(nil)

// log is where the packages below say what they do.
func (a *app) log() *slog.Logger {
	h := &lineHandler{app: a, level: slog.LevelWarn}
	if a.verbose {
		h.level = slog.LevelDebug
	}
	return slog.New(h)
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString("error: ")
	case r.Level >= slog.LevelWarn:
		b.WriteString("warning: ")
	}
	b.WriteString(r.Message)
	add := func(attr slog.Attr) bool {
		b.WriteString(" " + attr.String())
		return true
	}
	for _, attr := range h.attrs {
		add(attr)
	}
	r.Attrs(add)
	h.app.say("%s", b.String())
	return nil
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return &with
}

// WithGroup leaves names of groups out: no package here uses them.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }
