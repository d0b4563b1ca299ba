package packer_test

import "testing"

// values: a template gets what follows from a definition.
func values(t *testing.T, w *world) {
	w.template(t, invocation{}, head+`
data "ingot-cluster" "lab" {
  cluster = "CLUSTERS/lab"
}
locals {
  lab  = data.ingot-cluster.lab
  mesh = { for n in local.lab.nodes : n.name => n.mesh_addresses[0] if !n.spare }
}
source "null" "shown" {
  communicator = "none"
}
build {
  sources = ["source.null.shown"]
  provisioner "shell-local" {
    inline = [
      "echo ${local.lab.name} ${local.lab.kubernetes} ${local.lab.api_url}",
      "echo ${jsonencode(local.mesh)}",
      "echo ${jsondecode(local.lab.json).clusterDomain}",
    ]
  }
}
`, "build").ended(t, 0, "lab v1.36.3 https://api.lab.example.com:6443", "lab1:10.42.0.2", "cluster.local")
	w.template(t, invocation{}, head+`
data "ingot-cluster" "lab" {
  cluster = "CLUSTERS/nowhere"
}
locals {
  name = data.ingot-cluster.lab.name
}
`, "validate").ended(t, 1, "names the folder of a definition")
}
