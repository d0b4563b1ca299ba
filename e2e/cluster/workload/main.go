// Command workload is what runs in the pods of the cluster test: a web server
// that says where it is, and the client to it, so that one pod can be told to
// try another.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// patience is how long a try may take on machines without KVM.
const patience = 20 * time.Second

func main() {
	if err := carryOut(os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "workload:", err) // there is nobody else to tell
		os.Exit(1)
	}
}

func carryOut(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		return serve()
	case len(args) == 2 && args[0] == "get":
		return get(args[1])
	case len(args) == 2 && args[0] == "resolve":
		return resolve(args[1])
	case len(args) == 2 && args[0] == "relay":
		return relay(args[1])
	}
	return fmt.Errorf("usage: workload serve | get URL | resolve NAME | relay HOST:PORT, not %q", args)
}

// serve answers "/" with the names of the pod and its node, and "/bytes/N"
// with N bytes.
func serve() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s\n", os.Getenv("POD"), os.Getenv("NODE")) // a client that left
	})
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.PathValue("n"))
		if err != nil || n < 0 {
			http.Error(w, "not a number of bytes", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", n)) // a client that left
	})
	if _, err := fmt.Printf("serving as %s on %s\n", os.Getenv("POD"), os.Getenv("NODE")); err != nil {
		return err
	}
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: patience}
	return server.ListenAndServe()
}

// get prints what a server answers, and of long answers the length.
func get(url string) error {
	client := &http.Client{Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if len(body) > 200 {
		body = fmt.Appendf(nil, "%d bytes\n", len(body))
	}
	_, err = os.Stdout.Write(body)
	return err
}

// resolve prints the addresses of a name.
func resolve(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	_, err = fmt.Println(strings.Join(addresses, " "))
	return err
}

// relay is one end of a TCP connection, for who is on the other side of stdin
// and stdout: with it a test makes connections as if it were on this machine.
func relay(address string) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // all of it was passed on
	go func() {
		_, _ = io.Copy(conn, os.Stdin) // ends with either side
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.CloseWrite() // the other side has heard all
		}
	}()
	_, err = io.Copy(os.Stdout, conn)
	return err
}
