//go:build unix

package cli

import "syscall"

// ownSession keeps a process from what happens on this terminal.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
