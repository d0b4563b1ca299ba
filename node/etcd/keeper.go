// Package etcd decides how a controller's etcd starts: as the member that it
// was, as a member of a new cluster, or as a new member in place of one whose
// data is gone. It decides by what it finds, on the disk and with the other
// controllers, never by a flag. Then it keeps an eye on the member.
//
// That no two clusters ever come out of one definition, and that no member
// forgets what it said, is shown in docs/explanation/etcd.md.
package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Run decides, has etcd started, and looks after it until the context ends. It
// never removes a member because it ends.
func (k *Keeper) Run(ctx context.Context) error {
	unlock, err := lock(k.Root)
	if err != nil {
		return err
	}
	defer unlock()
	for {
		s, err := k.settle(ctx)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		if err := s.write(k.Root); err != nil {
			return err
		}
		k.Crash("settings")
		k.Ready()
		if err := k.Start(ctx); err != nil {
			k.Say(Error, "etcd: "+err.Error())
		}
		if err := k.watch(ctx); err != nil {
			return unlessEnded(ctx, err)
		}
	}
}

// unlessEnded is nil where it was the context that ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// settle goes on until it is clear how etcd starts.
func (k *Keeper) settle(ctx context.Context) (*settings, error) {
	if err := removeSettings(k.Root); err != nil {
		return nil, err
	}
	var b *booth
	defer func() {
		if b != nil {
			_ = b.close() // the port is free either way
		}
	}()
	for {
		s, err := k.round(ctx, &b)
		if s != nil || ctx.Err() != nil {
			return s, ctx.Err()
		}
		if err != nil {
			// A disk that is not there yet, a mesh that is not up: it may come.
			k.tell(Error, "etcd: "+err.Error())
		}
		if err := pause(ctx, k.Interval); err != nil {
			return nil, err
		}
	}
}

// round looks, asks, decides, and does one step.
func (k *Keeper) round(ctx context.Context, b **booth) (*settings, error) {
	self, err := k.self()
	if err != nil {
		return nil, err
	}
	if self.Data.There {
		a := decide(k.facts, *self, nil)
		if a.verb == comeBack {
			k.decide(a)
			return k.resting(), nil
		}
	}
	t, err := readTrust(k.Root)
	if err != nil {
		return nil, err
	}
	if *b == nil {
		if *b, err = open(ctx, k.Listen, address(k.facts.Me().PeerURL), t.peer); err != nil {
			return nil, fmt.Errorf("cannot listen at the peers' port of etcd yet: %w", err)
		}
	}
	said := statement(k.facts, *self)
	(*b).current.Store(&said)
	answers := k.ask(ctx, t)
	a := decide(k.facts, *self, answers)
	switch a.verb {
	case agree:
		self.Record.Definition, self.Record.Vector, self.Record.Joining = k.facts.Definition, a.vector, 0
		if err := self.Record.write(k.Root); err != nil {
			return nil, err
		}
		k.Crash("agreed")
		k.tell(Notice, "etcd: "+a.why)
		return nil, nil
	case startNew:
		k.decide(a)
		return k.fresh(a.vector), nil
	case join:
		k.decide(a)
		s, why, err := k.joining(ctx, t, self, k.facts.Controllers[a.via], *answers[a.via].Runs)
		if why != "" {
			k.tell(Warning, "etcd: "+why)
		}
		return s, err
	}
	k.decide(a)
	k.tell(Notice, "etcd: "+a.why)
	return nil, nil
}

// self looks at this node, and gives an empty folder a nonce before anybody
// hears of it.
func (k *Keeper) self() (*Self, error) {
	d, err := readData(k.Root)
	if err != nil {
		return nil, err
	}
	l, err := readLeft(k.Root)
	if err != nil {
		return nil, err
	}
	r, err := readRecord(k.Root)
	if err != nil {
		return nil, err
	}
	s := &Self{Data: d, Left: l}
	if r != nil {
		s.Record = *r
	}
	if d.There || l != nil {
		return s, nil
	}
	if s.Record.Started {
		// Only etcd's log is gone: the rest is of no use without it.
		path, err := moveAside(k.Root, k.Now())
		if err != nil {
			return nil, err
		}
		k.step("the log of etcd is gone; moved what was left of its data to %s", path)
		s.Record = record{}
	}
	if s.Record.Nonce == "" {
		s.Record = record{Nonce: newNonce()}
		if err := s.Record.write(k.Root); err != nil {
			return nil, err
		}
		k.Crash("nonce")
	}
	return s, nil
}

// ask asks all other controllers at once.
func (k *Keeper) ask(ctx context.Context, t *trust) []Answer {
	answers := make([]Answer, len(k.facts.Controllers))
	var all sync.WaitGroup
	for i, c := range k.facts.Controllers {
		if i == k.facts.Self {
			continue
		}
		all.Go(func() {
			a := hear(ctx, k.web(), t.peer, c)
			if a.Runs != nil {
				if l, err := k.at(t, c.ClientURL).list(ctx); err == nil {
					a.Runs = &Running{Cluster: l.Header.ClusterID, Members: l.Members, Quorum: true}
				}
			}
			answers[i] = a
		})
	}
	all.Wait()
	return answers
}

func (k *Keeper) web() web { return web{dial: k.Dial, timeout: k.AskTimeout} }

func (k *Keeper) at(t *trust, url string) member {
	return member{web: k.web(), config: t.client, url: url}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// short is the cause of an error, without addresses and paths.
func short(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.message
	}
	return err.Error()
}

// readBoot says which boot this is (random(4), "boot_id").
func readBoot(root string) string {
	data, err := atomicfile.ReadFile(filepath.Join(root, "proc/sys/kernel/random/boot_id"), maxFile)
	if err != nil {
		return ""
	}
	return string(data)
}
