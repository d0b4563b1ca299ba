package builder

import (
	"context"
	"errors"
	"io"

	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/pki"
)

// gate looks at a tree while it is packed. A tree that has what must not be in
// an image is not packed.
type gate struct {
	*io.PipeWriter
	found chan error
}

// gate opens a gate. The caller writes a tar stream and calls end.
func (b *bake) gate(ctx context.Context, secrets []pki.Secret) *gate {
	cfg := leak.Config{Traces: b.Traces}
	for _, s := range secrets {
		cfg.Secrets = append(cfg.Secrets, leak.Secret{Name: s.Name, Value: s.Value})
	}
	r, w := io.Pipe()
	g := &gate{PipeWriter: w, found: make(chan error, 1)}
	go func() {
		err := leak.Scan(ctx, r, cfg)
		_ = r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // always nil
		g.found <- err
	}()
	return g
}

// end closes the gate after the last byte, or after an error of the writer,
// and says what was found.
func (g *gate) end(err error) error {
	_ = g.CloseWithError(err) // always nil; a nil error is the end of the stream
	found := <-g.found
	if found != nil && (err == nil || errors.Is(err, io.ErrClosedPipe)) {
		return found
	}
	return err
}
