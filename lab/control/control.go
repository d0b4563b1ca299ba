// Package control keeps a lab in a process of its own and talks with it: JSON
// over HTTP on a Unix socket in the lab's folder, for the folder's owner alone.
package control

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// Socket is the name of the socket in the lab's folder.
const Socket = "control.sock"

// LogFile is what the process says, in the lab's folder.
const LogFile = "lab.log"

// The requests: method and path, as patterns of net/http.
const (
	getStatus  = "GET /v1/status"
	postStart  = "POST /v1/machines/{name}/start" // lab.Options
	postKill   = "POST /v1/machines/{name}/kill"
	getConsole = "GET /v1/machines/{name}/console" // becomes a stream of bytes
	postCut    = "POST /v1/machines/{name}/cut"
	postHeal   = "POST /v1/heal" // machines
	postStop   = "POST /v1/stop" // patience
)

// patience says how long machines may take to shut down before their power is
// cut.
type patience struct {
	Seconds float64 `json:"seconds"`
}

func (p patience) duration() time.Duration { return time.Duration(p.Seconds * float64(time.Second)) }

// machines are named ones; none means all.
type machines struct {
	Names []string `json:"names,omitempty"`
}

// Stopped says what the end of a lab has done.
type Stopped struct {
	Down []string `json:"down,omitempty"` // machines that have shut down
	Cut  []string `json:"cut,omitempty"`  // machines whose power was cut
}

// failure is the answer of a request that was not carried out.
type failure struct {
	Error string `json:"error"`
	Power bool   `json:"power,omitempty"` // the machine's power is already as it should become
}

// RemoteError is why a request was not carried out, in the words of the
// process that the lab is in. errors.Is finds lab.ErrPower in it.
type RemoteError struct {
	Message string
	power   bool
}

// Error is the message.
func (e *RemoteError) Error() string { return e.Message }

// Is finds lab.ErrPower.
func (e *RemoteError) Is(target error) bool { return e.power && target == lab.ErrPower }

// maxRequest bounds a request, in bytes.
const maxRequest = 1 << 20

// reply writes an answer, or why there is none.
func reply(w http.ResponseWriter, value any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		value = failure{Error: err.Error(), Power: errors.Is(err, lab.ErrPower)}
	}
	_ = json.NewEncoder(w).Encode(value) // whoever asked may be gone
}

// openDir opens the lab's folder: its sockets are named below its descriptor,
// because a socket's path is limited to 107 bytes.
func openDir(dir string) (*os.File, error) { return os.Open(dir) }
