package boot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// fetchMedium has the boot ISO fetched, and mounts the file.
func (b *boot) fetchMedium(ctx context.Context) (*medium, error) {
	if b.Fetch == nil {
		return nil, errors.New("fetching the boot ISO: this program cannot fetch from ingot.medium=")
	}
	dir := b.at(fetchDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := b.Fetch(ctx, b.line.text, dir)
	if err != nil {
		return nil, fmt.Errorf("fetching the boot ISO: %w", err)
	}
	device, err := b.system.attach(file)
	if err != nil {
		return nil, err
	}
	return b.tryMedium(device)
}

// attachRoot makes devices of what the root is made of, and of the config ISO.
func (b *boot) attachRoot(m *medium) error {
	for _, l := range loops {
		device, err := b.system.attach(b.at(mediumDir + "/" + l[0]))
		if err != nil {
			return err
		}
		link := b.at(runDir + "/" + l[1])
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Symlink(device, link); err != nil {
			return err
		}
	}
	for _, file := range []string{mediumDir + "/" + configFile, fetchDir + "/" + configFile} {
		if _, err := os.Stat(b.at(file)); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if m.config != "" {
			return errors.New("both the boot ISO and what was fetched with it have an identity")
		}
		device, err := b.system.attach(b.at(file))
		if err != nil {
			return err
		}
		m.config = device
	}
	return nil
}
