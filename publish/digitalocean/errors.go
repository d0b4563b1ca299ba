package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/digitalocean/godo"
)

// AdviceError is an error with what a person can do about it.
type AdviceError struct {
	Err  error
	Text string // of the advice
}

func (e *AdviceError) Error() string { return e.Err.Error() }

func (e *AdviceError) Unwrap() error { return e.Err }

// Advice gives what can be done.
func (e *AdviceError) Advice() string { return e.Text }

func advise(err error, format string, args ...any) error {
	return &AdviceError{Err: err, Text: fmt.Sprintf(format, args...)}
}

// fail says what was being done, and what the API said of it.
func fail(doing string, err error) error {
	var refused *godo.ErrorResponse
	if !errors.As(err, &refused) || refused.Response == nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	status := refused.Response.StatusCode
	text := fmt.Errorf("%s: the API says %d %s: %w", doing, status, strings.ToLower(http.StatusText(status)), &said{refused})
	message := strings.ToLower(refused.Message)
	switch {
	case status == http.StatusUnauthorized:
		return advise(text, "the token is wrong, or was revoked; make one in the control panel under API")
	case strings.Contains(message, "limit") && (status == http.StatusForbidden || status == http.StatusUnprocessableEntity):
		return advise(text, "the account has reached a limit: ingot publish list shows what can go, and the control panel raises limits")
	case status == http.StatusForbidden:
		return advise(text, "the token lacks a right; it needs to read and write what docs/how-to/digitalocean.md names")
	}
	return text
}

// said is the API's message without the address of the request.
type said struct{ *godo.ErrorResponse }

func (s *said) Error() string {
	text := s.Message
	if text == "" {
		text = "no reason given"
	}
	if s.RequestID != "" {
		text += " (request " + s.RequestID + ")"
	}
	return text
}

func (s *said) Unwrap() error { return s.ErrorResponse }

// status is the API's answer; 0 where there was none.
func status(err error) int {
	var refused *godo.ErrorResponse
	if errors.As(err, &refused) && refused.Response != nil {
		return refused.Response.StatusCode
	}
	return 0
}

func notFound(err error) bool { return status(err) == http.StatusNotFound }

// unclear reports an error after which nobody knows whether the request was
// carried out.
func unclear(err error) bool {
	code := status(err)
	return code >= http.StatusInternalServerError || code == 0 && !errors.Is(err, errDry)
}

// busy reports a refusal that ends by itself: the thing is doing something else.
func busy(err error) bool {
	var refused *godo.ErrorResponse
	code := status(err)
	return (code == http.StatusConflict || code == http.StatusUnprocessableEntity) && errors.As(err, &refused) &&
		strings.Contains(strings.ToLower(refused.Message), "pending event")
}

// In a dry run, what would be made has these in place of an id: the client of
// the API takes no zero.
const (
	plannedID = 1<<31 - 1
	planned   = "(id)"
)

// ensure finds a thing, or makes it. Where it is not clear whether it was made,
// it looks again before it tries again, so that there are not two. made is false
// for what was there. In a dry run, would is what would have been made.
func ensure[T any](ctx context.Context, r *run, doing string, would T, find func() (T, bool, error), create func() (T, *godo.Response, error)) (out T, made bool, err error) {
	for try := 1; ; try++ {
		out, found, err := find()
		if err != nil || found {
			return out, try > 1, err
		}
		out, _, err = create()
		switch {
		case errors.Is(err, errDry):
			return would, true, nil
		case err == nil:
			return out, true, nil
		case !unclear(err) && !busy(err) || try >= maxTries || ctx.Err() != nil:
			return out, false, fail(doing, err)
		}
		pause := min(firstPause<<(try-1), longPause)
		r.say("%s; looks again in %s", fail(doing, err), pause)
		if err := r.Sleep(ctx, pause); err != nil {
			return out, false, err
		}
	}
}

// change makes a call of which twice is like once.
func change(doing string, _ *godo.Response, err error) error {
	if err == nil || errors.Is(err, errDry) {
		return nil
	}
	return fail(doing, err)
}

// gone makes a call that removes something, which may be gone already.
func gone(doing string, _ *godo.Response, err error) error {
	if err == nil || errors.Is(err, errDry) || notFound(err) {
		return nil
	}
	return fail(doing, err)
}

// scrub takes secrets out of a text.
func (r *run) scrub(text string) string {
	for _, s := range r.secrets {
		text = strings.ReplaceAll(text, s, "(not shown)")
	}
	return text
}

// scrubbedError shows another text than its cause.
type scrubbedError struct {
	text  string
	cause error
}

func (e *scrubbedError) Error() string { return e.text }

func (e *scrubbedError) Unwrap() error { return e.cause }

// scrubbed takes secrets out of an error's text.
func (r *run) scrubbed(err error) error {
	if err == nil {
		return nil
	}
	if text := r.scrub(err.Error()); text != err.Error() {
		return &scrubbedError{text: text, cause: err}
	}
	return err
}
