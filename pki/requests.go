// Package pki is the cluster's public key infrastructure: three authorities,
// every certificate that a node will ever need, the mesh keys, and the store
// that keeps them. Signing is cfssl's work, locally or on another machine.
package pki
