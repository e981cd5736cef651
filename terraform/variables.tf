# What one host and several nodes have in common: terraform/cluster/variables.tf is a link to this file. What only one host has
# stands in variables-host.tf, what only nodes have in cluster/variables-nodes.tf.

variable "domain" {
  type        = string
  description = "The name by which people come, for example chat.example.com."

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])$", var.domain)) && length(var.domain) <= 253
    error_message = "domain is a name of at least two parts in lower case, for example chat.example.com, with neither https:// nor a path, and at most 253 characters."
  }
}

variable "region" {
  type        = string
  default     = null
  description = "The AWS region; null takes that of the environment (AWS_REGION) or of the profile."
}

variable "architecture" {
  type        = string
  default     = "x86_64"
  description = "The processor: x86_64, or arm64 (Graviton, about a fifth cheaper). The binary that is installed has to be of the same."

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture is x86_64 or arm64."
  }
}

variable "instance_type" {
  type        = string
  default     = null
  description = "The size of each host; null is t3.small or t4g.small (2 cores, 2 GiB). It has to be of the architecture and of the Nitro system."

  validation {
    # Every Graviton type has a g after the number of its generation (t4g, m7gd, c8gn), and no other has.
    condition     = var.instance_type == null ? true : can(regex("^[a-z]+[0-9]+g", var.instance_type)) == (var.architecture == "arm64")
    error_message = "instance_type does not fit architecture: arm64 has types such as t4g.small and m7g.large, x86_64 such as t3.small and m7i.large."
  }
}

variable "image_id" {
  type        = string
  default     = null
  description = "A machine image to start from in place of Debian's newest of release 12; it needs cloud-init and python3."
}

variable "ssh_public_key" {
  type        = string
  description = "The operator's public key, one line as in id_ed25519.pub; the private one never comes here."

  validation {
    condition     = can(regex("^(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( .*)?$", var.ssh_public_key))
    error_message = "ssh_public_key is one line that begins with ssh-ed25519 or ssh-rsa, such as in ~/.ssh/id_ed25519.pub. EC2 takes no other kinds."
  }
}

variable "admin_cidrs" {
  type        = list(string)
  default     = []
  description = "Networks from which SSH is let in, for example [\"203.0.113.7/32\"]. Empty closes port 22 to the internet."

  validation {
    condition     = alltrue([for cidr in var.admin_cidrs : can(cidrhost(cidr, 0))])
    error_message = "admin_cidrs are networks such as 203.0.113.7/32 or 2001:db8:1::/48."
  }

  validation {
    # A few large networks would be the whole internet just as well: 0.0.0.0/1 and 128.0.0.0/1.
    condition = alltrue([
      for cidr in var.admin_cidrs :
      try(tonumber(split("/", cidr)[1]) >= (strcontains(cidr, ":") ? 32 : 8), false)
    ])
    error_message = "admin_cidrs open SSH to too many: at least /8 of IPv4 and /32 of IPv6, never 0.0.0.0/0 or ::/0. Name your own address with /32."
  }
}

variable "instance_connect_endpoint" {
  type        = bool
  default     = false
  description = "Whether SSH comes in by an EC2 Instance Connect endpoint: by AWS credentials, with port 22 closed to the internet. It costs nothing."
}

variable "route53_zone_id" {
  type        = string
  default     = null
  description = "The Route 53 zone that gets the domain's A and AAAA records; null leaves them to you."
}

variable "vpc_cidr" {
  type        = string
  default     = "10.77.0.0/16"
  description = "The IPv4 network of the VPC, /16 to /24."

  validation {
    condition     = try(cidrhost(var.vpc_cidr, 0) != "" && tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr is an IPv4 network of /16 to /24, for example 10.77.0.0/16."
  }
}

variable "root_volume_gib" {
  type        = number
  default     = 10
  description = "GiB of the system's volume. It can grow, and never shrink."

  validation {
    condition     = var.root_volume_gib >= 8 && var.root_volume_gib <= 1024
    error_message = "root_volume_gib is 8 to 1024."
  }
}

variable "alarm_email" {
  type        = string
  default     = null
  description = "Who is written to when a host, or the store of several, fails its checks. AWS asks that address once whether it agrees. null writes to nobody."
}
