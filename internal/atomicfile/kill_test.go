package atomicfile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// The kill tests run this test binary again as a writer and kill it.
const (
	modeVar   = "ATOMICFILE_TEST_MODE"
	targetVar = "ATOMICFILE_TEST_TARGET"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVar); mode != "" {
		writer(mode, os.Getenv(targetVar))
	}
	os.Exit(m.Run())
}

// writer never returns: it is there to be killed, and ends by itself when its
// stdin does.
func writer(mode, path string) {
	switch mode {
	case "half": // writes half of a file, says so, and waits
		f, err := Create(path, 0o600)
		if err == nil {
			_, err = f.Write(bytes.Repeat([]byte("n"), 1<<20))
		}
		fmt.Println("half", err)
	case "loop": // writes files of one letter, over and over
		go func() {
			for i := 0; ; i++ {
				if err := WriteNoSync(path, letters(i), 0o600); err != nil {
					fmt.Println(err)
				}
			}
		}()
		fmt.Println("looping")
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(3)
}

const letterCount = 200 << 10

func letters(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, letterCount) }

// start runs a writer and returns the first line it prints and how to kill it.
func start(t *testing.T, mode, path string) (line string, kill func()) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), modeVar+"="+mode, targetVar+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // "signal: killed" is what is wanted
		_ = stdin.Close()
	}
	line, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		kill()
		t.Fatal(err)
	}
	return line, kill
}

func TestKilledHalfway(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	line, kill := start(t, "half", path)
	kill()
	if line != "half <nil>\n" {
		t.Fatalf("the writer says %q", line)
	}
	wantFile(t, path, "old", 0o644)
	if runtime.GOOS == "linux" {
		wantNames(t, dir, "file")
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, letters(0), 0o600); err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	for round := range 25 {
		line, kill := start(t, "loop", path)
		time.Sleep(time.Duration(round) * 700 * time.Microsecond)
		kill()
		if line != "looping\n" {
			t.Fatalf("the writer says %q", line)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != letterCount || !bytes.Equal(got, letters(int(got[0]-'a'))) {
			t.Fatalf("round %d: %d bytes, not one whole file", round, len(got))
		}
		seen[got[0]] = true
	}
	if len(seen) < 2 {
		t.Error("the writer was always killed before it wrote")
	}
}
