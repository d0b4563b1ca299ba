package node

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Levels of syslog(3).
const (
	levelError   = 3
	levelWarning = 4
	levelNotice  = 5
)

// consolePatience is how long a console may take for a line. A serial line
// whose other end has stopped it must not stop the boot.
const consolePatience = 2 * time.Second

// voice says the same to stderr, which is the journal for a service, and to
// all consoles of the machine.
type voice struct {
	root   string
	stderr io.Writer
	now    func() time.Time
	stuck  map[string]bool // consoles that took too long, and get no more
}

// say says one line.
func (v *voice) say(level int, text string) {
	line := "ingot-node: " + strings.ReplaceAll(text, "\n", "; ") + "\n"
	f, isFile := v.stderr.(*os.File)
	prefix := ""
	if isFile && isJournal(f) {
		prefix = "<" + strconv.Itoa(level) + ">" // sd-daemon(3)
	}
	_, _ = io.WriteString(v.stderr, prefix+line) // there is nobody else to tell
	if isFile && isTerminal(f) {
		return // a person reads it, perhaps on the console
	}
	for _, device := range consoles(v.root) {
		if !v.stuck[device] {
			v.write(device, line)
		}
	}
}

// consoles lists the devices of all consoles that the kernel line names.
// /dev/console is only the last of them. Lines of /dev/kmsg would come to all,
// too, but not where the kernel is quiet, and not more than ten at once.
func consoles(root string) []string {
	data, err := os.ReadFile(filepath.Join(root, "sys/class/tty/console/active"))
	var out []string
	for _, name := range strings.Fields(string(data)) {
		if !strings.Contains(name, "/") {
			out = append(out, filepath.Join(root, "dev", name))
		}
	}
	if err != nil || len(out) == 0 {
		return []string{filepath.Join(root, "dev/console")}
	}
	return out
}

// write writes to a console. That there is none is no reason to fail.
func (v *voice) write(device, line string) {
	f, err := os.OpenFile(device, os.O_WRONLY|os.O_APPEND|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	// Without deadlines, as files of tests are, nothing blocks either.
	_ = f.SetWriteDeadline(v.now().Add(consolePatience))
	if _, err := io.WriteString(f, line); errors.Is(err, os.ErrDeadlineExceeded) {
		v.stuck[device] = true
	}
}

// isJournal reports whether a file is the connection to the journal that
// systemd gives a service (systemd.exec(5), "$JOURNAL_STREAM").
func isJournal(f *os.File) bool {
	stream := os.Getenv("JOURNAL_STREAM")
	if stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
