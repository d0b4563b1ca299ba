// Package builder bakes the image of a cluster: the base of locked packages,
// the components' programs and the layers of the definition become verified
// file systems on a disk that boots, in the formats of the targets. The command
// line and the Packer builder both call it, so both give the same bytes.
//
// A bake is made of steps that are known by their inputs (package step). What
// does not depend on the definition is in the root file system; a change of a
// line of the definition makes the small one that is laid over it anew.
package builder
