variable "name" {
  type        = string
  description = "What their key and their role are called."
}

variable "domain" {
  type        = string
  description = "What they serve, for descriptions."
}

variable "hosts" {
  type        = map(string)
  description = "The hosts: the subnet of each by its name. A name that goes takes its host with it, and leaves the others alone."
}

variable "group_id" {
  type        = string
  description = "The security group before them, with its rules: packages are fetched at the first start."
}

variable "architecture" {
  type        = string
  description = "x86_64 or arm64."
}

variable "instance_type" {
  type        = string
  default     = null
  description = "Their size; null is t3.small or t4g.small."
}

variable "image_id" {
  type        = string
  default     = null
  description = "A machine image in place of Debian's newest of release 12."
}

variable "ssh_public_key" {
  type        = string
  description = "The operator's public key."
}

variable "root_volume_gib" {
  type        = number
  description = "GiB of each system's volume."
}
