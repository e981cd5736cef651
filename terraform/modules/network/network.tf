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
  cidr_block                       = var.cidr
  assign_generated_ipv6_cidr_block = true
  enable_dns_support               = true
  enable_dns_hostnames             = true

  tags = { Name = var.name }
}

# What is forgotten to be put into a group of its own lands in this one: it lets nothing in or out.
resource "aws_default_security_group" "empty" {
  vpc_id  = aws_vpc.main.id
  ingress = []
  egress  = []

  tags = { Name = "${var.name}-unused" }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id

  tags = { Name = var.name }
}

resource "aws_subnet" "main" {
  for_each = var.subnets

  vpc_id            = aws_vpc.main.id
  availability_zone = data.aws_availability_zones.available.names[each.value.zone]
  cidr_block        = cidrsubnet(var.cidr, 4, each.value.number)
  ipv6_cidr_block   = cidrsubnet(aws_vpc.main.ipv6_cidr_block, 8, each.value.number)

  # The hosts bring their own addresses; nothing else that is started here gets one by itself.
  map_public_ip_on_launch         = false
  assign_ipv6_address_on_creation = false

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    # Volumes and hosts live in one zone. That AWS names another one first some day must not move anything.
    ignore_changes = [availability_zone]
  }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id

  tags = { Name = var.name }
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

# A subnet without has the VPC's main table, in which no way leads out.
resource "aws_route_table_association" "public" {
  for_each = { for name, subnet in var.subnets : name => subnet if subnet.internet }

  subnet_id      = aws_subnet.main[each.key].id
  route_table_id = aws_route_table.public.id
}
