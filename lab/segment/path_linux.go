package segment

import (
	"os"
	"strconv"
)

// short is a path of a file in an open folder that is short enough for a Unix
// socket, whatever the folder's own path.
func short(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}
