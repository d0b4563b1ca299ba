# The image of this cluster, by Packer: make packer CLUSTER=prod, or
#
#   packer init clusters/prod/prod.pkr.hcl
#   packer build clusters/prod/prod.pkr.hcl
#
# It has the bytes of "ingot images prod". docs/packer says what else can be done
# with it.
packer {
  required_plugins {
    ingot = {
      source  = "github.com/ingot-k8s/ingot"
      version = ">= 0.0.0"
    }
  }
}

variable "output" {
  type        = string
  description = "Folder for the images."
  default     = "out/prod/images"
}

source "ingot-image" "prod" {
  cluster          = path.root
  output_directory = var.output
}

build {
  sources = ["source.ingot-image.prod"]
}
