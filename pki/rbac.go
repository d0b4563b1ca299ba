package pki

import _ "embed" // the manifest

// RBAC is a manifest of Kubernetes objects that gives the subjects of the
// certificates their rights: admins and cluster DNS. Kubernetes itself has rules
// for all others. It is the same for every cluster.
//
//go:embed rbac.yaml
var RBAC []byte
