package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// ErrDown is in the error of a request to a lab that is not up.
var ErrDown = errors.New("the lab is not up")

// Client talks with the process that a lab is in.
type Client struct {
	dir  string
	http http.Client
}

// New is a client for the lab in a folder, which need not be up yet.
func New(dir string) *Client {
	c := &Client{dir: dir}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true, // requests are rare, and the lab's end waits for nobody
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return c.dial(ctx) },
	}
	return c
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	folder, err := openDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrDown
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // nothing was written
	dialer := net.Dialer{}
	conn, err := dialer.DialContext(ctx, "unix", short(folder, Socket))
	// A socket without a process refuses: its process was killed.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrDown
	}
	return conn, err
}

// Status asks how the lab is.
func (c *Client) Status(ctx context.Context) (*lab.Status, error) {
	var s lab.Status
	return &s, c.do(ctx, getStatus, "", nil, &s)
}

// Start turns a machine on.
func (c *Client) Start(ctx context.Context, name string, o lab.Options) error {
	return c.do(ctx, postStart, name, o, nil)
}

// Kill cuts a machine's power.
func (c *Client) Kill(ctx context.Context, name string) error {
	return c.do(ctx, postKill, name, nil, nil)
}

// Cut cuts a machine off from the network.
func (c *Client) Cut(ctx context.Context, name string) error {
	return c.do(ctx, postCut, name, nil, nil)
}

// Heal connects machines again; without names all of them.
func (c *Client) Heal(ctx context.Context, names ...string) error {
	return c.do(ctx, postHeal, "", machines{names}, nil)
}

// Stop shuts all machines down, cuts the power of those that are not off after
// the limit, and has the process end. It returns when the process has let go
// of the folder.
func (c *Client) Stop(ctx context.Context, limit time.Duration) (*Stopped, error) {
	var out Stopped
	if err := c.do(ctx, postStop, "", patience{limit.Seconds()}, &out); err != nil {
		return nil, err
	}
	return &out, c.Gone(ctx)
}

// goneEvery is how often is looked whether a process has let go of a folder.
const goneEvery = 50 * time.Millisecond

// Gone waits until no lab has the folder.
func (c *Client) Gone(ctx context.Context) error {
	for {
		running, err := lab.Running(c.dir)
		if err != nil || !running {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the lab's process to end: %w", ctx.Err())
		case <-time.After(goneEvery):
		}
	}
}

func (c *Client) do(ctx context.Context, pattern, name string, argument, result any) error {
	request, err := newRequest(ctx, pattern, name, argument)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.unreachable(ctx, err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	return answer(response, result)
}

// unreachable is why there was no answer.
func (c *Client) unreachable(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrDown):
		return ErrDown
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	return fmt.Errorf("talking with the lab in %q: %w", c.dir, err)
}

func newRequest(ctx context.Context, pattern, name string, argument any) (*http.Request, error) {
	method, path, err := place(pattern, name)
	if err != nil {
		return nil, err
	}
	var body []byte
	if argument != nil {
		if body, err = json.Marshal(argument); err != nil {
			return nil, err
		}
	}
	return http.NewRequestWithContext(ctx, method, "http://lab"+path, bytes.NewReader(body))
}

// place fills a machine's name into a pattern.
func place(pattern, name string) (method, path string, err error) {
	if _, err := fmt.Sscanf(pattern, "%s %s", &method, &path); err != nil {
		return "", "", err
	}
	return method, strings.ReplaceAll(path, "{name}", url.PathEscape(name)), nil
}

func answer(response *http.Response, result any) error {
	received := json.NewDecoder(response.Body)
	if response.StatusCode != http.StatusOK {
		var f failure
		if err := received.Decode(&f); err != nil || f.Error == "" {
			return fmt.Errorf("the lab's process answers %q; is it another version of the program?", response.Status)
		}
		return &RemoteError{Message: f.Error, power: f.Power}
	}
	if result == nil {
		return nil
	}
	return received.Decode(result)
}

// Console connects with a machine's serial port: what is read is what the
// machine says, what is written is typed there.
func (c *Client) Console(ctx context.Context, name string) (io.ReadWriteCloser, error) {
	request, err := newRequest(ctx, getConsole, name, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", streamName)
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := request.Write(conn); err != nil {
		_ = conn.Close() // the first error is the one to report
		return nil, err
	}
	received := bufio.NewReader(conn)
	response, err := http.ReadResponse(received, request)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		defer func() { _ = conn.Close() }()
		defer func() { _ = response.Body.Close() }()
		return nil, answer(response, nil)
	}
	return &stream{Reader: received, Conn: conn}, nil
}

// stream reads what came with the answer first.
type stream struct {
	*bufio.Reader
	net.Conn
}

func (s *stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

var _ io.ReadWriteCloser = (*stream)(nil)

// Kill9 kills the process that the lab is in, and with it all machines, where
// it does not answer.
func (c *Client) Kill9() error {
	conn, err := c.dial(context.Background())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	pid, err := peer(conn)
	if err != nil {
		return fmt.Errorf("finding the lab's process: %w", err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return process.Kill()
}
