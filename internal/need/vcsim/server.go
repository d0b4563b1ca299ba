// Package vcsim runs VMware's own simulator of a vCenter or ESXi host for
// tests, on loopback and over TLS, and says what was asked of it.
package vcsim

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // content libraries
	"github.com/vmware/govmomi/vim25/soap"
)

// User and Password let in at the simulator.
const (
	User     = "ingot@vsphere.local"
	Password = "hunter2-of-the-simulator"
)

// Server is a running simulator.
type Server struct {
	*simulator.Server
	Model *simulator.Model

	changing sync.RWMutex // read-locked during each call that changes something
	mu       sync.Mutex
	calls    []string
	// Meddle, if it is set, is asked before each call that changes something,
	// with its number, from 1. It answers with what the client gets instead, or
	// passes the call on by next.
	Meddle func(n int, name string, w http.ResponseWriter, next func())
}

// Start makes an inventory and serves it. Close ends it.
func Start(model *simulator.Model) (*Server, error) {
	if err := model.Create(); err != nil {
		return nil, fmt.Errorf("making a simulator: %w", err)
	}
	model.Service.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	model.Service.Listen = &url.URL{User: url.UserPassword(User, Password)}
	model.Service.RegisterEndpoints = true // content libraries
	s := &Server{Model: model, Server: model.Service.NewServer()}
	next := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, next) })
	return s, nil
}

// Close ends the simulator and removes its datastores.
func (s *Server) Close() {
	s.Server.Close()
	s.Model.Remove()
}

// Address is the server's, without user and password.
func (s *Server) Address() string { return "https://" + s.URL.Host }

// Thumbprint is the SHA-256 of the server's certificate.
func (s *Server) Thumbprint() string { return soap.ThumbprintSHA256(s.Certificate()) }

// reading are the calls that change nothing but a session.
var reading = []string{
	"RetrieveServiceContent", "Login", "Logout", "RetrieveProperties", "RetrievePropertiesEx", "ContinueRetrievePropertiesEx",
	"CreateContainerView", "DestroyView", "CreatePropertyCollector", "DestroyPropertyCollector", "CreateFilter", "DestroyPropertyFilter",
	"WaitForUpdatesEx", "CancelWaitForUpdates", "SearchDatastoreSubFolders_Task", "CreateImportSpec", "HttpNfcLeaseProgress",
	"CancelTask", "CurrentTime", "GET",
}

// method finds the name of a call in a SOAP request.
var method = regexp.MustCompile(`<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)`)

func (s *Server) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	name := r.Method
	pass := func() { next.ServeHTTP(w, r) }
	if strings.HasPrefix(r.URL.Path, "/sdk") && r.Method == http.MethodPost {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if m := method.FindSubmatch(body); m != nil {
			name = string(m[1])
		}
		if name == "CloneVM_Task" || name == "Destroy_Task" {
			pass = func() { s.whole(body, w, r, next) }
		}
	}
	if slices.Contains(reading, name) || strings.HasSuffix(r.URL.Path, "/session") || strings.Contains(r.URL.RawQuery, "=find") {
		pass()
		return
	}
	s.changing.RLock()
	defer s.changing.RUnlock() // a meddler may panic
	s.mu.Lock()
	s.calls = append(s.calls, name)
	n := len(s.calls)
	meddle := s.Meddle
	s.mu.Unlock()
	if meddle != nil {
		meddle(n, name, w, pass)
		return
	}
	pass()
}

// Calls lists the calls since the last one of Forget that change something.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Forget starts the list of calls anew, and meddles as it is told from now on.
func (s *Server) Forget(meddle func(n int, name string, w http.ResponseWriter, next func())) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.Meddle = nil, meddle
}

// State lists all there is: machines with their marks and power, and files of
// datastores. The ids of objects are left out.
func (s *Server) State() ([]string, error) {
	var out []string
	for _, o := range s.Model.Map().All("VirtualMachine") {
		if vm, ok := o.(*simulator.VirtualMachine); ok {
			out = append(out, describe(vm))
		}
	}
	for _, o := range s.Model.Map().All("Datastore") {
		ds, ok := o.(*simulator.Datastore)
		if !ok {
			continue
		}
		root := ds.Summary.Url
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err == nil && path != root {
				out = append(out, "file ["+ds.Name+"] "+strings.TrimPrefix(path, root+"/"))
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking into a datastore: %w", err)
		}
	}
	slices.Sort(out)
	return out, nil
}
