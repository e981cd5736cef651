variable "name" {
  type        = string
  description = "What the topic is called by which the alarms write."
}

variable "domain" {
  type        = string
  description = "What the hosts serve: alarms say whom they are about."
}

variable "instances" {
  type        = map(string)
  description = "The hosts that are watched: the ids of the instances by name."
}

variable "email" {
  type        = string
  default     = null
  description = "Who is written to; null writes to nobody."
}
