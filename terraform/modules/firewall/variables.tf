variable "name" {
  type        = string
  description = "What the security group is called."
}

variable "description" {
  type        = string
  description = "Whom it stands before. AWS takes no other one later, without making the group anew."
}

variable "vpc_id" {
  type        = string
  description = "The network that it is in."
}

variable "inbound" {
  type = map(object({
    port        = number
    protocol    = optional(string, "tcp")
    cidrs       = optional(list(string), [])
    groups      = optional(map(string), {})
    description = string
  }))
  default     = {}
  description = "Everything that is let in, by name: from networks (cidrs), and from what is in other security groups (the groups' ids, each by a word for it)."
}

variable "outbound" {
  type = map(object({
    port        = number
    protocol    = optional(string, "tcp")
    cidrs       = optional(list(string), [])
    groups      = optional(map(string), {})
    description = string
  }))
  default     = {}
  description = "Everything that is let out, in the same form. What is let in is answered by itself."
}
