variable "name" {
  type        = string
  description = "What the endpoint is called."
}

variable "vpc_id" {
  type        = string
  description = "The network of the hosts."
}

variable "subnet_id" {
  type        = string
  description = "The subnet that it stands in; it reaches hosts in all zones from there."
}

variable "hosts_group_id" {
  type        = string
  description = "The security group of the hosts that it leads to."
}
