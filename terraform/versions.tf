terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # `make deploy` names the file (-backend-config=path=...): one for each domain, outside of the working copy, so that
  # cleaning that does not lose it. docs/OPERATIONS.md tells how to keep the state in a bucket.
  backend "local" {}
}

# Credentials come from the environment, a profile or a role, as for every AWS tool: never from a variable.
provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}
