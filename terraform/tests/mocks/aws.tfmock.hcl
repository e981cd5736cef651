# What AWS would answer, for the tests of one host and of several nodes. Whatever is not here is made up by Terraform.

mock_resource "aws_vpc" {
  override_during = plan
  defaults        = { ipv6_cidr_block = "2001:db8:77::/56" }
}

mock_resource "aws_network_interface" {
  override_during = plan
  defaults        = { ipv6_addresses = ["2001:db8:77::7"] }
}

mock_resource "aws_eip" {
  override_during = plan
  defaults        = { public_ip = "192.0.2.7" }
}

mock_resource "aws_ebs_volume" {
  override_during = plan
  defaults        = { id = "vol-0123456789abcdef0" }
}

mock_resource "aws_iam_role" {
  override_during = plan
  defaults        = { arn = "arn:aws:iam::111122223333:role/mock" }
}

mock_resource "aws_s3_bucket" {
  override_during = plan
  defaults        = { id = "sarangbang-mock", bucket = "sarangbang-mock", arn = "arn:aws:s3:::sarangbang-mock", region = "eu-central-1" }
}

mock_resource "aws_sns_topic" {
  override_during = plan
  defaults        = { arn = "arn:aws:sns:eu-central-1:111122223333:mock" }
}

mock_resource "aws_lb" {
  override_during = plan
  defaults = {
    arn      = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/net/mock/0123456789abcdef"
    dns_name = "mock.elb.eu-central-1.amazonaws.com"
  }
}

mock_resource "aws_lb_target_group" {
  override_during = plan
  defaults        = { arn = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/mock/0123456789abcdef" }
}

mock_resource "aws_elasticache_replication_group" {
  override_during = plan
  defaults        = { primary_endpoint_address = "master.mock.cache.amazonaws.com" }
}

# Of these nothing special is wanted, but that what AWS would make up is known when it is planned.
mock_resource "aws_security_group" {
  override_during = plan
}

mock_resource "aws_default_security_group" {
  override_during = plan
}

mock_resource "aws_vpc_security_group_ingress_rule" {
  override_during = plan
}

mock_resource "aws_vpc_security_group_egress_rule" {
  override_during = plan
}

mock_resource "aws_subnet" {
  override_during = plan
}

mock_resource "aws_route_table_association" {
  override_during = plan
}

mock_resource "aws_instance" {
  override_during = plan
}

mock_resource "aws_eip_association" {
  override_during = plan
}

mock_resource "aws_iam_instance_profile" {
  override_during = plan
}

mock_resource "aws_ec2_instance_connect_endpoint" {
  override_during = plan
}

mock_resource "aws_cloudwatch_metric_alarm" {
  override_during = plan
}

mock_resource "aws_lb_listener" {
  override_during = plan
}

mock_resource "aws_lb_target_group_attachment" {
  override_during = plan
}

mock_resource "aws_elasticache_user_group" {
  override_during = plan
}

mock_resource "aws_elasticache_parameter_group" {
  override_during = plan
}

mock_resource "aws_elasticache_subnet_group" {
  override_during = plan
}


mock_data "aws_availability_zones" {
  override_during = plan
  defaults        = { names = ["eu-central-1a", "eu-central-1b"] }
}

mock_data "aws_partition" {
  override_during = plan
  defaults        = { partition = "aws" }
}

mock_data "aws_caller_identity" {
  override_during = plan
  defaults        = { account_id = "111122223333" }
}

mock_data "aws_region" {
  override_during = plan
  defaults        = { name = "eu-central-1" }
}
