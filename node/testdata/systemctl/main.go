// Command systemctl takes the place of systemd's in a test: it notes its
// arguments, and shows units that are as the test wants them.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	f, err := os.OpenFile("/systemctl.log", os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(f, strings.Join(os.Args[1:], " "))
	if os.Args[1] != "show" {
		name, err := os.Hostname()
		fmt.Fprintln(f, "  on", name, err)
		return
	}
	shown, err := os.ReadFile("/" + os.Args[len(os.Args)-1] + ".show")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(string(shown))
}
