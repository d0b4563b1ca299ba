package lab

import "fmt"

// ports are the names of a machine's ports on the segment.
func (m *Planned) ports() []string {
	out := make([]string, len(m.NICs))
	for i := range m.NICs {
		out[i] = m.Name
		if i > 0 {
			out[i] += fmt.Sprintf(".%d", i)
		}
	}
	return out
}

// Cut cuts a machine off from the network, as a broken switch would: its links
// stay up. It has to have been started before.
func (l *Lab) Cut(name string) error {
	h, err := l.host(name)
	if err != nil {
		return err
	}
	for _, port := range h.ports() {
		if err := l.segment.Cut(port); err != nil {
			return fmt.Errorf("cutting off machine %q: %w", name, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	h.cut = true
	l.say("%s: cut off", name)
	return nil
}

// Heal connects machines again; without names all of them, and it ends a
// partition that was made on the segment.
func (l *Lab) Heal(names ...string) error {
	hosts := make([]*host, 0, len(names))
	for _, name := range names {
		h, err := l.host(name)
		if err != nil {
			return err
		}
		hosts = append(hosts, h)
	}
	if len(names) == 0 {
		l.segment.Heal()
		for _, h := range l.hosts {
			hosts = append(hosts, h)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		if !h.cut {
			continue
		}
		l.segment.Heal(h.ports()...)
		h.cut = false
		l.say("%s: connected again", h.Name)
	}
	return nil
}
