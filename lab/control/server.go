package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// Serve answers requests for a lab until one of them ends it or the context
// does. The lab is closed when it returns. The caller has to have the lab's
// folder to itself, which a lab that is up has.
func Serve(ctx context.Context, l *lab.Lab, dir string) error {
	defer func() { _ = l.Close() }() // the error of serving comes first
	folder, err := openDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }() // nothing was written
	// One that is there is of a process that ended without tidying up.
	if err := os.Remove(filepath.Join(dir, Socket)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listen := net.ListenConfig{}
	listener, err := listen.Listen(ctx, "unix", short(folder, Socket))
	if err != nil {
		return fmt.Errorf("opening the lab's socket: %w", err)
	}
	s := &server{lab: l, stop: make(chan struct{})}
	web := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	done := make(chan error, 1)
	go func() { done <- web.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	case <-s.stop:
	}
	closed := l.Close() // consoles end with their machines
	tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if err := web.Shutdown(tidy); err != nil {
		_ = web.Close() // whoever does not hang up
	}
	return closed
}

// tidyTime is how long answers may take that are on their way when the lab
// ends.
const tidyTime = 5 * time.Second

type server struct {
	lab  *lab.Lab
	once sync.Once
	stop chan struct{} // closed when the lab is to end
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(getStatus, func(w http.ResponseWriter, _ *http.Request) { reply(w, s.lab.Status(), nil) })
	mux.HandleFunc(postStart, func(w http.ResponseWriter, r *http.Request) {
		var o lab.Options
		err := read(r, &o)
		if err == nil {
			err = s.lab.StartMachine(r.Context(), r.PathValue("name"), o)
		}
		reply(w, struct{}{}, err)
	})
	mux.HandleFunc(postKill, func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, s.lab.Kill(r.PathValue("name")))
	})
	mux.HandleFunc(postCut, func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, s.lab.Cut(r.PathValue("name")))
	})
	mux.HandleFunc(postHeal, func(w http.ResponseWriter, r *http.Request) {
		var m machines
		err := read(r, &m)
		if err == nil {
			err = s.lab.Heal(m.Names...)
		}
		reply(w, struct{}{}, err)
	})
	mux.HandleFunc(getConsole, s.console)
	mux.HandleFunc(postStop, s.end)
	return mux
}

func read(r *http.Request, value any) error {
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(value); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	return nil
}

// end shuts all machines down, at once, and ends the process that the lab is
// in after it has answered.
func (s *server) end(w http.ResponseWriter, r *http.Request) {
	var p patience
	if err := read(r, &p); err != nil {
		reply(w, nil, err)
		return
	}
	// Whoever asked may lose patience; the machines keep theirs.
	reply(w, s.shutdown(context.WithoutCancel(r.Context()), p.duration()), nil)
	s.once.Do(func() { close(s.stop) })
}

// shutdown has all machines off.
func (s *server) shutdown(ctx context.Context, limit time.Duration) Stopped {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var out Stopped
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, m := range s.lab.Status().Machines {
		if m.Power != lab.PowerOn {
			continue
		}
		all.Go(func() {
			err := context.DeadlineExceeded
			if limit > 0 {
				err = s.lab.Powerdown(ctx, m.Name)
			}
			if err != nil {
				_ = s.lab.Kill(m.Name) // it may have ended meanwhile
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				out.Cut = append(out.Cut, m.Name)
			} else {
				out.Down = append(out.Down, m.Name)
			}
		})
	}
	all.Wait()
	return out
}
