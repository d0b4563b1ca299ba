package node

import (
	"context"
	"flag"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/node/facts"
	"github.com/ingot-k8s/ingot/node/kubeapi"
)

// waitPause is between two questions to the API.
const waitPause = 3 * time.Second

func (m Machine) waitCommand(*flag.FlagSet, *options) func(context.Context, call) int { return m.wait }

// wait returns when the API answers at the node's own endpoint. What can do
// nothing without it is started after that: a machine that comes up alone, or
// slowly, has then its processor for what the API needs.
func (m Machine) wait(ctx context.Context, c call) int {
	j := &journal{stderr: c.stderr}
	f, err := facts.Read(c.root)
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	api := kubeapi.New(kubeapi.Config{Root: c.root, Address: strings.TrimPrefix(f.API.LocalURL, "https://")})
	for {
		asked, cancel := context.WithTimeout(ctx, asking)
		err := api.Ready(asked)
		cancel()
		if err == nil {
			j.say("the API is ready")
			return statusOK
		}
		j.is("waiting for the API, which none of %s has ready: %v", strings.Join(f.API.Controllers, ", "), err)
		if !pause(ctx, waitPause) {
			return statusRefused
		}
	}
}
