package vsphere

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/session"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/soap"
)

// client is a session with the server.
type client struct {
	vim      *vim25.Client
	sessions *session.Manager
	finder   *find.Finder
	user     *url.Userinfo
}

// standalone reports an ESXi host that no vCenter was asked for.
func (c *client) standalone() bool { return !c.vim.IsVC() }

// connect logs in.
func (r *run) connect(ctx context.Context) (*client, error) {
	// The password is given at the login and stands in no URL, which errors
	// would show.
	u, err := soap.ParseURL(r.Where.Server)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the server: %w", err)
	}
	u.User = nil
	conn := soap.NewClient(u, false)
	if err := r.Trust.apply(conn); err != nil {
		return nil, err
	}
	conn.UserAgent = r.UserAgent
	vim, err := vim25.NewClient(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	c := &client{vim: vim, sessions: session.NewManager(vim), finder: find.NewFinder(vim, false)}
	c.user = url.UserPassword(r.Credentials.User, r.Credentials.Password)
	if err := c.sessions.Login(ctx, c.user); err != nil {
		return nil, fmt.Errorf("logging in as %q: %w", r.Credentials.User, err)
	}
	return c, nil
}

// afterwards is how long what must still be said after an interruption may
// take: a logout, the end of a lease, of a task.
const afterwards = 10 * time.Second

// late is a context for what is still to be said after the run was
// interrupted.
func late(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), afterwards)
}

// logout ends the session; else it would end by itself after half an hour.
func (r *run) logout(ctx context.Context) {
	ctx, cancel := late(ctx)
	defer cancel()
	if r.shelf != nil {
		_ = r.shelf.rest.Logout(ctx)
	}
	_ = r.sessions.Logout(ctx)
	r.vim.CloseIdleConnections()
}
