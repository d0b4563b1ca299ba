package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestServeScripts runs the program with a boot ISO whose kernel boots nothing,
// and asks it as machines do.
func TestServeScripts(t *testing.T) {
	p := params(filepath.Join("testdata", "serve"))
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		env.Setenv("LISTEN", l.Addr().String())
		return l.Close()
	}
	p.Cmds["bootiso"], p.Cmds["machine"], p.Cmds["untold"] = bootISO, startMachine, untold
	testscript.Run(t, p)
}

// bootISO CLUSTER FILE: a boot ISO, of an image that nobody has baked.
func bootISO(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bootiso cluster file")
	}
	v := configiso.Volume{Label: "INGOT_BOOT", Time: time.Unix(1.7e9, 0)}
	for name, text := range map[string]string{
		"ingot.json": `{"cluster": "` + args[0] + `", "image": "` + args[0] + `-0123456789ab", "kernelLine": "ingot.root=00 ro console=ttyS0"}`,
		"vmlinuz":    "kernel", "initrd": "initrd", "boot.initrd": "boot initrd",
	} {
		v.Files = append(v.Files, configiso.File{Path: name, Data: []byte(text)})
	}
	var iso bytes.Buffer
	ts.Check(configiso.Write(&iso, v))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), iso.Bytes(), 0o644))
}

// startMachine MAC NODE OUTCOME: a machine starts over the network, and does
// what the program on it does. It must be the node that is named.
func startMachine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: machine mac node outcome")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	query := "?mac=" + strings.ReplaceAll(args[0], ":", "-")
	script := get(ctx, ts, "/machine.ipxe"+query)
	initrd := get(ctx, ts, "/machine.initrd"+query)
	end := strings.LastIndex(initrd, "\n")
	if end < 64 {
		ts.Fatalf("the initrd has no token; the script is\n%s", script)
	}
	token := ts.MkAbs("token")
	ts.Check(os.WriteFile(token, []byte(initrd[end-64:end]), 0o600))
	tokens, err := os.OpenFile(ts.MkAbs("tokens"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	ts.Check(err)
	_, err = tokens.WriteString(initrd[end-64 : end+1])
	ts.Check(err)
	ts.Check(tokens.Close())
	line, err := fetch.ParseLine(script)
	ts.Check(err)
	ts.Check(os.RemoveAll(ts.MkAbs("run"))) // it is in memory
	f := fetch.New(fetch.Config{
		Line: line, Dir: ts.MkAbs("run"), TokenFile: token, Runner: nothing{}, Say: func(format string, args ...any) { ts.Logf(format, args...) },
	})
	_, err = f.Medium(ctx)
	ts.Check(err)
	path, err := f.Identity(ctx)
	ts.Check(err)
	got, err := os.ReadFile(path)
	ts.Check(err)
	want, err := os.ReadFile(ts.MkAbs(filepath.Join("out", "lab", "nodes", args[1], "config.iso")))
	ts.Check(err)
	if !bytes.Equal(got, want) {
		ts.Fatalf("the machine has %d bytes, which are not the identity of %s", len(got), args[1])
	}
	ts.Check(f.Done(ctx, args[2]))
}

// nothing runs nothing.
type nothing struct{}

var _ run.Runner = nothing{}

func (nothing) Run(context.Context, run.Command) error { return nil }

// get asks the server until it answers.
func get(ctx context.Context, ts *testscript.TestScript, path string) string {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ts.Getenv("LISTEN")+path, nil)
		ts.Check(err)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			data, err := io.ReadAll(resp.Body)
			ts.Check(err)
			ts.Check(resp.Body.Close())
			if resp.StatusCode != http.StatusOK {
				ts.Fatalf("%s: %s: %s", path, resp.Status, data)
			}
			http.DefaultClient.CloseIdleConnections()
			return string(data)
		}
		select {
		case <-ctx.Done():
			ts.Check(fmt.Errorf("%s: %w", path, err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// untold: what the program that ran last wrote has no token, and no line of a
// private key or of what carries one.
func untold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: untold")
	}
	said := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	looked := 0
	look := func(text string) {
		looked++
		if strings.Contains(said, text) {
			ts.Fatalf("%.12s... was told", text)
		}
	}
	tokens, err := os.ReadFile(ts.MkAbs("tokens"))
	ts.Check(err)
	for _, token := range strings.Fields(string(tokens)) {
		look(token)
	}
	for _, name := range []string{"lab0", "lab1"} {
		data, err := os.ReadFile(ts.MkAbs(filepath.Join("out", "lab", "nodes", name, "user_data")))
		ts.Check(err)
		for at := 0; at+200 <= len(data); at += 100 {
			look(string(data[at : at+100]))
		}
	}
	if said == "" || looked < 10 {
		ts.Fatalf("%d bytes were searched for %d parts", len(said), looked)
	}
}
