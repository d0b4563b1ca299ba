package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figures are what one program cost with all that it started.
type figures struct {
	wall, cpu time.Duration
	largest   int64 // resident memory of the largest process, in bytes
	together  int64 // of all processes at once and files in memory, in bytes: sampled, shared pages counted for each
	size      int64 // of what it wrote, in bytes; 0 where that is not of interest
}

func (f figures) String() string {
	return fmt.Sprintf("%.2f s (cpu %.2f)", f.wall.Seconds(), f.cpu.Seconds())
}

// median is that of the wall time.
func median(all []figures) figures {
	slices.SortFunc(all, func(a, b figures) int { return cmp.Compare(a.wall, b.wall) })
	return all[len(all)/2]
}

// command is a program to measure.
type command struct {
	argv []string
	dir  string
	env  []string // besides the caller's
	out  *os.File // for its output; nil keeps that for an error
}

// measure runs a program and takes the kernel's account of it.
func measure(ctx context.Context, c command) (figures, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	cmd.Stdout, cmd.Stderr = &said, &said
	if c.out != nil {
		cmd.Stdout = c.out
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return figures{}, err
	}
	ended, peak := make(chan struct{}), make(chan int64)
	go func() { peak <- watch(cmd.Process.Pid, ended) }()
	err := cmd.Wait()
	f := figures{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	close(ended)
	f.together = <-peak
	if err != nil {
		return figures{}, fmt.Errorf("running %s: %w: %s", c.argv[0], err, said.String())
	}
	// That of the process or the largest that it waited for: wait4(2), in KiB.
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.largest = usage.Maxrss << 10
	}
	return f, nil
}

// interval is how often memory is looked at: often enough for what is held for a
// second, and seldom enough not to be seen in the times.
const interval = 250 * time.Millisecond

// watch gives the most resident memory that a process and its descendants had
// together, with what was added meanwhile to file systems in memory.
func watch(pid int, ended <-chan struct{}) int64 {
	most, before := int64(0), inMemory()
	for tick := time.NewTicker(interval); ; {
		select {
		case <-ended:
			tick.Stop()
			return most
		case <-tick.C:
			most = max(most, resident(pid)+max(0, inMemory()-before))
		}
	}
}

// inMemory is the size of all files in file systems in memory, in bytes, whoever
// made them: proc_meminfo(5).
func inMemory() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Shmem:" {
			kib, err := strconv.ParseInt(fields[1], 10, 53)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// resident sums up the memory of a process and its descendants.
func resident(pid int) int64 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	children, pages := map[int][]int{}, map[int]int64{}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, n, err := stat(id); err == nil {
			children[parent], pages[id] = append(children[parent], id), n
		}
	}
	sum := int64(0)
	for todo := []int{pid}; len(todo) > 0; todo = todo[1:] {
		sum += pages[todo[0]]
		todo = append(todo, children[todo[0]]...)
	}
	return sum * int64(os.Getpagesize())
}

// stat reads fields 4 and 24 of a process's line: proc_pid_stat(5).
func stat(pid int) (parent int, pages int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// The name before may have spaces and brackets.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 22 {
		return 0, 0, errors.New("not the line of a process")
	}
	if parent, err = strconv.Atoi(fields[1]); err != nil {
		return 0, 0, err
	}
	pages, err = strconv.ParseInt(fields[21], 10, 64)
	return parent, pages, err
}
