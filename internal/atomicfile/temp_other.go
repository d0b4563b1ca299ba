//go:build !linux

package atomicfile

func openTemp(dir, stem string) (temp, error) { return openNamed(dir, stem) }
