package fetch

import (
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
)

// maxNamed is how many packages an error names one by one.
const maxNamed = 10

// OfflineError is what the cache does not have when nothing else may be used.
type OfflineError struct{ Packages []lock.Package }

func (e *OfflineError) Error() string {
	return "fetching packages: not in the cache, and downloads are forbidden: " + titles(e.Packages)
}

// Hint says what a person can do about it.
func (e *OfflineError) Hint() string {
	return "run it once without --offline: what is fetched stays in the cache"
}

// GoneError is what neither the cache nor the mirror has.
type GoneError struct{ Packages []lock.Package }

func (e *GoneError) Error() string {
	return "fetching packages: locked, but neither in the cache nor on the mirror any more: " + titles(e.Packages)
}

// Hint says what a person can do about it.
func (e *GoneError) Hint() string { return lock.GoneHint }

// TamperedError is what the mirror gives with another content than the lock has.
type TamperedError struct{ Packages []lock.Package }

func (e *TamperedError) Error() string {
	return "fetching packages: refused, because the mirror gives another file than the lock names: " + titles(e.Packages)
}

// title is how messages name a package.
func title(p lock.Package) string { return p.Name + " " + p.Version }

func titles(packages []lock.Package) string {
	var names []string
	for i, p := range packages {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("and %d more", len(packages)-i))
			break
		}
		names = append(names, title(p))
	}
	return strings.Join(names, ", ")
}
