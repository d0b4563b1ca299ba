package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/spf13/cobra"
)

// serveAddress is where is listened by default: nobody but this machine, and
// what runs in it, gets there.
const serveAddress = "127.0.0.1:8470"

type serveFlags struct {
	listen, iso, certFile, keyFile string
	macs, serials, next            []string
	write, url                     string
	once, dryRun, asJSON           bool
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve CLUSTER [NODE...]",
		Short: "Let machines start over the network, and give each its identity once",
		Long: "Serves the boot ISO of a cluster and scripts for iPXE, and gives the machine of each NODE its identity, once, over\n" +
			"HTTPS. Without NODE these are all nodes whose machine is known: by a MAC address in the definition, by --mac, by\n" +
			"--serial, or as the next unknown one by --node. The DHCP server of the network has to name the script that is\n" +
			"printed; docs/how-to/pxe.md shows how, and what an identity is protected from on its way.\n" +
			"It makes what is missing of the identities, as ingot iso does, writes nothing else, and ends by Ctrl-C or --once.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (f.certFile == "") != (f.keyFile == "") {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--tls-cert and --tls-key go together")}
			}
			if (f.write == "") != (f.url == "") {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--write and --url go together: a folder, and where a web server has it")}
			}
			if f.write != "" {
				return a.serveWrite(cmd.Context(), args[0], f)
			}
			if _, err := netip.ParseAddrPort(f.listen); err != nil {
				return &usageError{command: cmd.CommandPath(), err: fmt.Errorf("reading --listen: %q is not ADDRESS:PORT, such as 192.0.2.1:8470 or [::]:8470", f.listen)}
			}
			return a.serve(cmd.Context(), args[0], args[1:], f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", serveAddress, "address and port of this machine on the network that machines start in; the default is for QEMU on this machine")
	flags.StringVar(&f.iso, "iso", "", "boot ISO to serve (default: that of the image which the definition asks for now)")
	flags.StringArrayVar(&f.macs, "mac", nil, "NODE=MAC: the machine of a node has this MAC address; may be repeated")
	flags.StringArrayVar(&f.serials, "serial", nil, "NODE=SERIAL: the machine of a node has this serial number, or UUID; may be repeated")
	flags.StringArrayVar(&f.next, "node", nil, "the next machine that is not known is this node's; may be repeated, for one after the other")
	flags.StringVar(&f.certFile, "tls-cert", "", "PEM file with the server's certificate (default: one is made for the run)")
	flags.StringVar(&f.keyFile, "tls-key", "", "PEM file with its key")
	flags.StringVar(&f.write, "write", "", "write the files for another web server to this folder, without identities, and serve nothing")
	flags.StringVar(&f.url, "url", "", "with --write: address of that folder, such as http://192.0.2.2/prod")
	flags.BoolVar(&f.once, "once", false, "end when every machine has said that it keeps its identity")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check everything, print what would be served to whom, make no identity and listen to nothing")
	flags.BoolVar(&f.asJSON, "json", false, "print what happens as JSON, an object a line; the last one is the summary")
	return cmd
}

func (a *app) serve(ctx context.Context, name string, nodes []string, f serveFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	known, err := knownMachines(c, nodes, f)
	if err != nil {
		return err
	}
	shown := a.steps()
	medium, err := a.openBoot(ctx, c, f.iso, shown)
	if err != nil {
		return err
	}
	defer func() { _ = medium.Close() }() // it was only read
	cfg := serve.Config{
		Cluster: c.Def.Name, Medium: medium, Nodes: known, Next: f.next,
		Once: f.once, Now: time.Now, Progress: shown, Log: a.serveLog(shown, f.asJSON),
	}
	if cfg.Certificate, err = serveCertificate(f); err != nil {
		return err
	}
	if !f.dryRun {
		if err := a.serveIdentities(ctx, c, cfg.Nodes); err != nil {
			return err
		}
	}
	s, err := serve.New(cfg)
	if err != nil {
		return err
	}
	if f.dryRun {
		return a.printServe(s, medium, f)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.listen)
	if err != nil {
		return withHint(fmt.Errorf("listening: %w", err), "--listen names an address of this machine and a port that is free")
	}
	a.serveAdvice(l.Addr().String(), c)
	err = s.Serve(ctx, l)
	return errors.Join(err, a.serveSummary(s, f.asJSON))
}

// serveAdvice says what is left to do.
func (a *app) serveAdvice(address string, c *cluster.Cluster) {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err == nil && at.Addr().IsLoopback():
		a.say("only this host and its QEMU machines (as 10.0.2.2:%d) reach this address; --listen ADDRESS:%d, with this machine's address on their network, lets others in", at.Port(), at.Port())
	case err == nil && at.Addr().IsUnspecified():
		address = fmt.Sprintf("ADDRESS:%d", at.Port())
		fallthrough
	default:
		a.say("everybody on the network can ask: an identity goes to the first that asks with the MAC address or serial number of its machine")
	}
	a.say("next: have DHCP name http://%s%s to iPXE, and start the machines; then: ingot kubeconfig %s, and kubectl get nodes", address, serve.PathScript, c.Def.Name)
}

// serveLog shows what happens, as it happens.
func (a *app) serveLog(shown *steps, asJSON bool) func(serve.Event) {
	if asJSON {
		return func(e serve.Event) { a.printLine(e) }
	}
	return func(e serve.Event) {
		if e.Kind == serve.Fetched {
			return // the steps show it
		}
		shown.line(serveLine(e))
	}
}

// serveLine is an event for people.
func serveLine(e serve.Event) string {
	var who []string
	for _, s := range []string{e.Node, e.MAC, e.Serial, e.UUID, e.Address} {
		if s != "" {
			who = append(who, s)
		}
	}
	line := e.Time.Local().Format(time.TimeOnly) + " "
	if e.Alarm {
		line += "ALARM: "
	}
	if len(who) > 0 {
		line += strings.Join(who, " ") + ": "
	}
	return line + e.Text
}
