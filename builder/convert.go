package builder

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Convert writes an image that was baked as raw in another format, beside it:
// the same bytes that a bake in that format writes. dir is the folder of the
// image, and c the definition that it was baked from.
func Convert(ctx context.Context, c *cluster.Cluster, m *Manifest, dir string, f Format) (*Output, error) {
	raw, is := m.File(Raw)
	if !is {
		return nil, fmt.Errorf("converting %s-%s to %s: it was not baked as %s, which others are made of", m.Cluster, m.ID, f, Raw)
	}
	out := &Output{Name: m.Cluster + "-" + m.ID + "." + string(f), Format: f}
	if err := out.convert(ctx, c, m, filepath.Join(dir, raw.Name), dir); err != nil {
		return nil, fmt.Errorf("converting %s to %s: %w", raw.Name, f, err)
	}
	return out, nil
}

func (o *Output) convert(ctx context.Context, c *cluster.Cluster, m *Manifest, raw, dir string) error {
	in, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	info, err := in.Stat()
	if err != nil {
		return err
	}
	file, err := atomicfile.CreateNoSync(filepath.Join(dir, o.Name), 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // does nothing after Commit
	w := newSumming(file)
	stats, err := o.Format.write(ctx, w, images.Plain(in, info.Size()), machine(c, m.ID), m.Date, nil)
	if err != nil {
		return err
	}
	o.Size = stats.FileSize
	if o.SHA256, err = w.SHA256(ctx, o.Size); err != nil {
		return err
	}
	return file.Commit()
}
