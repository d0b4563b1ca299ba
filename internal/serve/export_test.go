package serve

import (
	"net/url"
)

// Query is the query of a machine.
func (m Machine) Query() string { return m.query() }

// ParseQuery reads the query of a machine.
func ParseQuery(v url.Values) (Machine, error) { return parseMachine(v) }

// UnknownScript is the script of a machine that is no node's.
func UnknownScript(m Machine) string {
	s := &Server{cfg: Config{Cluster: "lab"}}
	return s.unknownScript(m, errUnknown.Error())
}

// ParseBearer reads a header Authorization.
func ParseBearer(header string) ([]byte, bool) {
	s, err := bearer(header)
	return s[:], err == nil
}
