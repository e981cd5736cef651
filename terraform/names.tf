locals {
  # What everything is named by: the domain, as names in AWS may be written. Of what AWS is given, the beginning of the bucket's name
  # is bound the most: 37 characters with a dash behind it. A domain that is longer is cut, and one that is longer or has a
  # dash gets eight digits of its own, as a-b.example.com and a.b.example.com would be the same here; dashes never stand in a
  # row, as ElastiCache takes none.
  readable = "sarangbang-${replace(var.domain, ".", "-")}"
  name = length(local.readable) <= 36 && !strcontains(var.domain, "-") ? local.readable : join("-", [
    trimsuffix(substr(replace(local.readable, "/-+/", "-"), 0, 27), "-"),
    substr(sha256(var.domain), 0, 8),
  ])

  tags = {
    Application = "sarangbang"
    Domain      = var.domain
    ManagedBy   = "terraform"
  }
}
