variable "name" {
  type        = string
  description = "What the network is called."
}

variable "cidr" {
  type        = string
  description = "Its IPv4 network; each subnet is a sixteenth of it. Its IPv6 network is AWS's to choose."
}

variable "subnets" {
  type = map(object({
    number   = number
    zone     = number
    internet = bool
  }))
  description = "The subnets by name: the number (0 to 15) gives their addresses and never changes, zone counts the region's zones from 0, internet is whether there is a way to the internet and from it."
}
