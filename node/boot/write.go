package boot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// rereadTries is how often the kernel is asked for the new partitions: udev may
// be looking at the disk.
const rereadTries = 10

// write writes the image of the medium to a disk.
func (b *boot) write(ctx context.Context, m *medium, to *Disk) (err error) {
	image, err := os.Open(b.at(mediumDir + "/" + diskFile))
	if err != nil {
		return err
	}
	defer func() { _ = image.Close() }() // nothing was written
	target, err := b.system.openDisk(b.at(to.Path))
	if err != nil {
		return err
	}
	source := Source{ReaderAt: image, Size: m.about.Disk.Size, SHA256: m.about.Disk.SHA256}
	err = WriteImage(ctx, target, to.Size, source, b.progress(source.Size))
	for i := 0; err == nil; i++ {
		if err = target.reread(); err == nil || i == rereadTries {
			break
		}
		err = nil
		b.system.wait(time.Second)
	}
	if err = errors.Join(err, target.close()); err != nil {
		return err
	}
	b.settle(ctx)
	b.say(levelNotice, fmt.Sprintf("image %s is on %s, and was read back", m.about.Image, to.Path))
	return nil
}

// begin marks the disk on which the state is made.
func (b *boot) begin(on *Disk) error {
	target, err := b.system.openDisk(b.at(on.Path))
	if err != nil {
		return err
	}
	return errors.Join(MarkState(target, on.Size), target.close())
}

// progress says how far the work is, at each tenth of it.
func (b *boot) progress(total int64) func(doing string, done int64) {
	began := b.Now()
	last := map[string]int64{}
	return func(doing string, done int64) {
		tenth := done * 10 / max(total, 1)
		if tenth == last[doing] {
			return
		}
		last[doing] = tenth
		b.say(levelNotice, fmt.Sprintf("%d %% of %s %s, %s", tenth*10, size(total), doing, b.Now().Sub(began).Round(time.Second)))
	}
}
