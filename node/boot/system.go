package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// system is what the machine's kernel is asked for. Paths are the machine's own.
type system interface {
	// mount mounts a file system read-only, below a folder that is made.
	mount(source, target, kind string) error
	unmount(target string) error
	// attach gives a file a loop device that can only be read.
	attach(file string) (device string, err error)
	// openDisk opens a disk for writing.
	openDisk(path string) (disk, error)
	// shell runs a shell on a console to its end.
	shell(console string) error
	wait(d time.Duration)
}

// disk is a disk that is written to.
type disk interface {
	Target
	// reread has the kernel look for the partitions again.
	reread() error
	close() error
}

// kernel is the real system.
type kernel struct{}

var (
	_ system = kernel{}
	_ disk   = (*device)(nil)
)

const mountFlags = unix.MS_RDONLY | unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC

func (kernel) mount(source, target, kind string) error {
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	if err := unix.Mount(source, target, kind, mountFlags, ""); err != nil {
		return fmt.Errorf("mounting %s as %s: %w", source, kind, err)
	}
	return nil
}

func (kernel) unmount(target string) error {
	if err := unix.Unmount(target, 0); err != nil {
		return fmt.Errorf("unmounting %s: %w", target, err)
	}
	return nil
}

func (kernel) openDisk(path string) (disk, error) { return openDisk(path) }

func (kernel) wait(d time.Duration) { time.Sleep(d) }

// loopTries is how often a loop device is asked for: another program may take
// the one that was free.
const loopTries = 64

// attach implements system by loop(4).
func (kernel) attach(file string) (string, error) {
	device, err := attach(file)
	if err != nil {
		return "", fmt.Errorf("making a loop device of %s: %w", filepath.Base(file), err)
	}
	return device, nil
}

func attach(file string) (device string, err error) {
	backing, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer func() { _ = backing.Close() }() // the loop device has its own
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer func() { _ = control.Close() }() // nothing was written
	config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_READ_ONLY}}
	copy(config.Info.File_name[:len(config.Info.File_name)-1], file)
	for range loopTries {
		number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return "", fmt.Errorf("looking for a free one: %w", err)
		}
		device = fmt.Sprintf("/dev/loop%d", number)
		err = configure(device, &config)
		if err == nil {
			return device, nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return "", fmt.Errorf("setting %s up: %w", device, err)
		}
	}
	return "", errors.New("all are taken as soon as they are free")
}

func configure(device string, config *unix.LoopConfig) error {
	f, err := os.OpenFile(device, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return unix.IoctlLoopConfigure(int(f.Fd()), config)
}
