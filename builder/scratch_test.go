package builder

import (
	"testing"
	"testing/fstest"
)

// Memory is what is free, and no more than any group of the process may have.
func TestFreeMemory(t *testing.T) {
	const free = "MemTotal: 9000 kB\nMemAvailable:    8000 kB\nSwapFree: 1 kB\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing known": {nil, 0},
		"no groups":     {map[string]string{"proc/meminfo": free}, 8000 << 10},
		"no number":     {map[string]string{"proc/meminfo": "MemAvailable: much kB\n"}, 0},
		"an old kernel": {map[string]string{"proc/meminfo": "MemFree: 8000 kB\n"}, 0},
		"no limit": {map[string]string{
			"proc/meminfo": free, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
		}, 8000 << 10},
		"own limit": {map[string]string{
			"proc/meminfo": free, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "4096\n",
		}, 4096},
		"limit above": {map[string]string{
			"proc/meminfo": free, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "4096\n", "sys/fs/cgroup/a/memory.max": "512\n",
		}, 512},
		"in a container": {map[string]string{
			"proc/meminfo": free, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "4096\n",
		}, 4096},
		"first version": {map[string]string{
			"proc/meminfo": free, "proc/self/cgroup": "5:cpu:/x\n4:hugetlb,memory:/a\n0::/\n",
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n",
		}, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range tt.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := freeMemory(root); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// Who sets TMPDIR has a reason.
func TestScratchByWish(t *testing.T) {
	if got := scratch([]string{"TMPDIR=/big"}); got != "" {
		t.Errorf("got %q", got)
	}
}
