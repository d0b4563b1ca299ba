package lab

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// askEvery is how often the API is asked. Each time costs a controller some
// 20 ms of an emulated processor.
const askEvery = 5 * time.Second

// every does something now and then, until the context ends.
func every(ctx context.Context, pause time.Duration, do func()) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// ask keeps asking the controllers' API servers how they are, each by itself,
// because one that is gone keeps whoever asks it waiting; and one of them for
// the nodes.
func (l *Lab) ask(ctx context.Context, a *admin) {
	var clients []*client
	for _, m := range l.plan.Controllers() {
		c := a.client(m.Name, l.dial(m))
		clients = append(clients, c)
		l.tasks.Go(func() {
			defer c.close()
			every(ctx, askEvery, func() { l.askOne(ctx, c) })
		})
	}
	l.tasks.Go(func() { every(ctx, askEvery, func() { l.list(ctx, clients) }) })
}

func (l *Lab) askOne(ctx context.Context, c *client) {
	if !l.on(c.name) {
		return
	}
	answer := c.ask(ctx)
	l.relay.judge(c.name, answer == answerOK)
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.hosts[c.name]; h.power == PowerOn {
		h.apiserver = answer
	}
}

// list asks the first API server that is ready for the nodes.
func (l *Lab) list(ctx context.Context, clients []*client) {
	var nodes map[string]nodeState
	trouble := ""
	for _, c := range clients {
		if l.answer(c.name) != answerOK {
			continue
		}
		var err error
		if nodes, err = c.nodes(ctx); err == nil {
			trouble = ""
			break
		}
		trouble = "listing the nodes: " + short(err)
	}
	l.note(nodes, trouble)
}

// on reports whether a machine runs.
func (l *Lab) on(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosts[name].power == PowerOn
}

// answer is what a machine's API server said last.
func (l *Lab) answer(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.hosts[name].apiserver
}

// note takes what the API has on the nodes.
func (l *Lab) note(nodes map[string]nodeState, trouble string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = trouble
	for _, h := range l.hosts {
		if h.power != PowerOn {
			continue
		}
		now, was := nodes[h.Name], h.ready
		if now.bootID != "" && now.bootID == h.earlier {
			now = nodeState{} // the kubelet has not reported since the machine was started
		}
		h.ready = now.ready
		if now.bootID != "" && now.bootID != h.bootID {
			h.bootID = now.bootID
			l.keepBoot(h.Name, now.bootID)
		}
		if h.ready == conditionTrue && h.readyAt.IsZero() {
			h.readyAt = l.cfg.Now()
		}
		if h.ready != was {
			l.say("%s: Ready: %s", h.Name, orUnknown(h.ready))
		}
	}
}

// keepBoot remembers the kernel that the API knows of, also for the next lab
// in this folder.
func (l *Lab) keepBoot(name, id string) {
	if err := atomicfile.WriteNoSync(filepath.Join(l.cfg.machineDir(name), bootFile), []byte(id), 0o600); err != nil {
		l.say("%s: %s", name, err)
	}
}

// lastBoot is the kernel that the API may still know of.
func (l *Lab) lastBoot(name string) string {
	id, err := os.ReadFile(filepath.Join(l.cfg.machineDir(name), bootFile))
	if err != nil {
		return "" // it was never Ready
	}
	return string(id)
}
