package digitalocean

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/publish"
)

// errDry is what a changing call gives in a dry run. Nothing was sent.
var errDry = errors.New("left out in a dry run")

// wire is between the API's client and the network. It adds the token, notes
// every call that changes something, keeps a dry run from making any, and waits
// and tries again where that is safe.
type wire struct {
	run *run

	mu    sync.Mutex
	calls []publish.Call
}

// Times of another try, doubled each time, and how often: some four minutes.
const (
	firstPause = 2 * time.Second
	longPause  = time.Minute
	maxTries   = 8
	dialTries  = 4 // where nobody listens, or the name is unknown
)

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	reads := req.Method == http.MethodGet || req.Method == http.MethodHead
	if !reads {
		if err := w.note(req); err != nil {
			return nil, err
		}
		if w.run.DryRun {
			if req.Body != nil {
				_ = req.Body.Close() // as a transport must
			}
			return nil, errDry
		}
	}
	for try := 1; ; try++ {
		response, err := w.send(req)
		pause, again := w.again(req, response, err, try)
		if !again {
			return response, err
		}
		if response != nil {
			_ = response.Body.Close() // it is not read
		}
		if err := w.run.Sleep(req.Context(), pause); err != nil {
			return nil, err
		}
	}
}

// send makes one try.
func (w *wire) send(req *http.Request) (*http.Response, error) {
	clone := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		clone.Body = body
	}
	clone.Header.Set("Authorization", "Bearer "+w.run.Token)
	return w.run.Transport.RoundTrip(clone)
}

// again says whether to try again, and when. A refusal for too many requests
// was not carried out. Where nobody knows whether a request was, it is sent
// again only if twice is like once; for the others callers look first.
func (w *wire) again(req *http.Request, response *http.Response, err error, try int) (time.Duration, bool) {
	if req.Context().Err() != nil || try >= maxTries {
		return 0, false
	}
	pause := min(firstPause<<(try-1), longPause)
	switch {
	case err != nil:
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" && try >= dialTries {
			return 0, false
		}
		if req.Method != http.MethodPost {
			w.run.say("the API does not answer; next try in %s", pause)
		}
	case response.StatusCode == http.StatusTooManyRequests:
		pause = max(w.reset(response), pause)
		w.run.say("the API allows no more requests for now; goes on in %s", pause.Round(time.Second))
		return pause, true
	case response.StatusCode < http.StatusInternalServerError:
		return 0, false
	default:
		w.run.say("the API has a fault (%d); next try in %s", response.StatusCode, pause)
	}
	return pause, req.Method != http.MethodPost
}

// longestReset bounds what a header says: limits are by the hour.
const longestReset = time.Hour

// reset says how long the API wants to be left alone: Retry-After in seconds, or
// ratelimit-reset in seconds since 1970 (DigitalOcean API, "Rate Limit").
func (w *wire) reset(response *http.Response) time.Duration {
	if s, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && s > 0 {
		return min(time.Duration(s)*time.Second, longestReset)
	}
	if s, err := strconv.ParseInt(response.Header.Get("Ratelimit-Reset"), 10, 64); err == nil {
		return min(max(time.Unix(s, 0).Sub(w.run.Now()), 0), longestReset)
	}
	return 0
}

// note remembers a call without what is secret in it.
func (w *wire) note(req *http.Request) error {
	call := publish.Call{Method: req.Method, Target: strings.ReplaceAll(req.URL.Path, strconv.Itoa(plannedID), planned)}
	if req.URL.RawQuery != "" {
		call.Target += "?" + req.URL.RawQuery
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return err
		}
		data, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if call.Body, err = shown(data); err != nil {
			return err
		}
	}
	w.add(call)
	return nil
}

// add remembers a call.
func (w *wire) add(call publish.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, call)
}

func (w *wire) made() []publish.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// shown is a body for people: user data hold private keys, and the image's
// address lets anybody read it.
func shown(data []byte) (any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	var body map[string]any
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("noting a call: %w", err)
	}
	if s, ok := body["user_data"].(string); ok {
		body["user_data"] = fmt.Sprintf("(%d bytes, not shown)", len(s))
	}
	if s, ok := body["url"].(string); ok {
		plain, _, _ := strings.Cut(s, "?")
		body["url"] = plain + " (signed for a time, not shown)"
	}
	for k, v := range body {
		if n, ok := v.(json.Number); ok && n.String() == strconv.Itoa(plannedID) {
			body[k] = planned
		}
	}
	return body, nil
}
