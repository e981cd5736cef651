data "aws_availability_zones" "available" {
  # checkov:skip=CKV_AWS_394:The zone counts once, when a subnet is made, which ignores later answers.
  state = "available"

  # Local zones and Wavelength zones need an opt-in, and lack half of what is used here.
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

resource "aws_vpc" "main" {
  # checkov:skip=CKV2_AWS_11:A flow log of a chat service is a record of who came when from where; the server's own log and metrics tell what an operator needs.
  cidr_block                       = var.vpc_cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = { Name = local.name }
}

# What is forgotten to be put into a group of its own lands in this one: it lets nothing in or out.
resource "aws_default_security_group" "empty" {
  vpc_id  = aws_vpc.main.id
  ingress = []
  egress  = []

  tags = { Name = "${local.name}-unused" }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id

  tags = { Name = local.name }
}

locals {
  # Two zones: one may fail.
  zones = slice(data.aws_availability_zones.available.names, 0, 2)

  # Each kind of thing has subnets of its own, so that an address tells what stands behind it: what comes from a subnet of
  # the load balancer is believed when it says whom it speaks for.
  kinds = { balancer = 0, nodes = 1, store = 2 }

  subnets = {
    for pair in setproduct(keys(local.kinds), [0, 1]) : "${pair[0]}-${pair[1]}" => {
      kind   = pair[0]
      zone   = pair[1]
      number = local.kinds[pair[0]] * 2 + pair[1]
    }
  }
}

resource "aws_subnet" "main" {
  for_each = local.subnets

  vpc_id            = aws_vpc.main.id
  availability_zone = local.zones[each.value.zone]
  cidr_block        = cidrsubnet(var.vpc_cidr, 4, each.value.number)
  ipv6_cidr_block   = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, each.value.number)

  map_public_ip_on_launch         = false
  assign_ipv6_address_on_creation = false

  tags = { Name = "${local.name}-${each.key}" }

  lifecycle {
    ignore_changes = [availability_zone]
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  tags = { Name = local.name }
}

resource "aws_route" "ipv4" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.main.id
}

resource "aws_route" "ipv6" {
  route_table_id              = aws_route_table.public.id
  destination_ipv6_cidr_block = "::/0"
  gateway_id                  = aws_internet_gateway.main.id
}

# The store has no way to the internet, nor from it.
resource "aws_route_table_association" "public" {
  for_each = { for name, subnet in local.subnets : name => subnet if subnet.kind != "store" }

  subnet_id      = aws_subnet.main[each.key].id
  route_table_id = aws_route_table.public.id
}
