// Package ignition makes the identity of a node: everything that the machine
// needs to know about itself, as a value, and from it the files that machines
// take it from: Ignition configs (written by Butane), cloud-configs, config
// ISOs and VMware guestinfo keys. It reads all of these back, too.
//
// What is small and not secret is handed to the provisioning tool as it is:
// host name, static network, login accounts, units. All the rest goes into one
// compressed bundle, which a script in the identity unpacks on the machine
// before the services that use it start. docs/explanation/identity.md says why.
//
// The package is pure: the same cluster, node and key material give the same
// bytes. It reads the files that a definition names as sources, and the only
// function that writes any is [WriteNode].
package ignition
