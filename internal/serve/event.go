package serve

import (
	"fmt"
	"time"
)

// Kind is what an event is about.
type Kind string

// The kinds of events.
const (
	Listening Kind = "listening" // the server can be asked
	Unknown   Kind = "unknown"   // a machine that is no node's has asked
	Started   Kind = "started"   // a machine has its script
	Offered   Kind = "offered"   // a machine has a token, by which it can ask for its identity
	Fetched   Kind = "fetched"   // a machine has the boot ISO, or a part of it
	Given     Kind = "given"     // a machine has been given its identity
	Done      Kind = "done"      // a machine says that it keeps its identity
	Refused   Kind = "refused"   // somebody was not given what was asked for
)

// Event is something that has happened. None has a token or a part of a key.
type Event struct {
	Time    time.Time `json:"time"`
	Kind    Kind      `json:"event"`
	Alarm   bool      `json:"alarm,omitempty"` // somebody may have what is another's
	Node    string    `json:"node,omitempty"`
	MAC     string    `json:"mac,omitempty"`
	Serial  string    `json:"serial,omitempty"`
	UUID    string    `json:"uuid,omitempty"`
	Address string    `json:"address,omitempty"` // who has asked, or where is listened
	Text    string    `json:"text"`              // for people, without what stands above
}

// event is one about a machine.
func event(kind Kind, node string, m Machine, format string, args ...any) Event {
	return Event{Kind: kind, Node: node, MAC: m.MAC, Serial: m.Serial, UUID: m.UUID, Text: fmt.Sprintf(format, args...)}
}

// alarm makes an event one that nobody may overlook.
func alarm(e Event) Event {
	e.Alarm = true
	return e
}

// tell tells of an event, one at a time.
func (s *Server) tell(e Event, address string) {
	s.telling.Lock()
	defer s.telling.Unlock()
	e.Time, e.Address = s.cfg.Now().UTC(), address
	s.cfg.Log(e)
}
