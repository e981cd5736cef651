"""An AWS of this computer: moto, with the few calls added that Terraform makes here and moto does not know.

    python emulated_aws.py PORT-FILE

It listens on a free port of 127.0.0.1, writes the port into that file, and serves until it is ended. Added are DLM
policies, EC2 Instance Connect endpoints, and the Debian images by Debian's own account. They keep
what they are given, and give it back: what AWS would check of it is not checked. Five faults of moto are mended. ElastiCache stands in emulated_elasticache.py.
"""

import copy
import io
import json
import os
import re
import sys
import tempfile

IMAGES = [
    {
        "ami_id": f"ami-0debian12{number:07d}",
        "name": f"debian-12-{name}-2026{month:02d}01-1",
        "description": "Debian 12",
        "owner_id": "136693071363",
        "architecture": architecture,
        "public": True,
        "platform": None,
        "image_type": "machine",
        "hypervisor": "xen",
        "virtualization_type": "hvm",
        "root_device_type": "ebs",
        "root_device_name": "/dev/xvda",
        "sriov": "simple",
        "creation_date": f"2026-{month:02d}-01T00:00:00.000Z",
    }
    for number, (name, architecture, month) in enumerate(
        [("amd64", "x86_64", 9), ("amd64", "x86_64", 10), ("arm64", "arm64", 9), ("arm64", "arm64", 10)]
    )
]

images = tempfile.NamedTemporaryFile("w", suffix=".json", delete=False)
json.dump(IMAGES, images)
images.close()
os.environ["MOTO_AMIS_PATH"] = images.name

import emulated_elasticache  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402 (moto reads MOTO_AMIS_PATH when it is loaded)
from moto.ec2.models import elastic_ip_addresses  # noqa: E402
from moto.ec2.models.instances import Instance  # noqa: E402
from moto.ec2.models.security_groups import SecurityGroupRule  # noqa: E402
from moto.ec2.models.subnets import Subnet  # noqa: E402
from moto.ec2.responses import EC2Response  # noqa: E402
from moto.iam.access_control import IAMPolicyStatement, PermissionResult  # noqa: E402
from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402
from werkzeug.wrappers import Request, Response  # noqa: E402

os.unlink(images.name)

# Where the host of a test is: each address that is asked for is that one.
if os.environ.get("SARANGBANG_TEST_ADDRESS"):
    elastic_ip_addresses.random_ip = lambda: os.environ["SARANGBANG_TEST_ADDRESS"]

ACCOUNT = "123456789012"
endpoints = {}
policies = {}


def tags_of(params):
    return [
        {"Key": tag["Key"], "Value": tag["Value"]}
        for specification in params.get("TagSpecification", params.get("TagSpecifications", []))
        for tag in specification.get("Tag", specification.get("Tags", []))
    ]


def create_endpoint(self):
    params = self._get_params()
    subnet = self.ec2_backend.get_subnet(params["SubnetId"])
    number = f"eice-{len(endpoints):017x}"
    endpoints[number] = {
        "OwnerId": ACCOUNT,
        "InstanceConnectEndpointId": number,
        "InstanceConnectEndpointArn": f"arn:aws:ec2:{self.region}:{ACCOUNT}:instance-connect-endpoint/{number}",
        "State": "create-complete",
        "DnsName": f"{number}.ec2-instance-connect-endpoint.{self.region}.amazonaws.com",
        "NetworkInterfaceIds": [],
        "VpcId": subnet.vpc_id,
        "SubnetId": subnet.id,
        "AvailabilityZone": subnet.availability_zone,
        "SecurityGroupIds": params.get("SecurityGroupId", params.get("SecurityGroupIds", [])),
        "PreserveClientIp": False,
        "Tags": tags_of(params),
    }
    return ActionResult({"InstanceConnectEndpoint": endpoints[number]})


def describe_endpoints(self):
    wanted = self._get_params().get("InstanceConnectEndpointId", self._get_params().get("InstanceConnectEndpointIds"))
    found = [endpoint for number, endpoint in endpoints.items() if not wanted or number in wanted]
    return ActionResult({"InstanceConnectEndpoints": found})


def delete_endpoint(self):
    gone = endpoints.pop(self._get_params()["InstanceConnectEndpointId"])
    return ActionResult({"InstanceConnectEndpoint": {**gone, "State": "delete-complete"}})


def ipv6_blocks(self):
    """moto 5.2.5 puts the state of a subnet's IPv6 block one level too deep, and Terraform waits for ever."""
    return [
        {**block, "ipv6CidrBlockState": {"state": block["ipv6CidrBlockState"]["State"]}}
        for block in self.ipv6_cidr_block_associations.values()
    ]


def description(self):
    """moto 5.2.5 forgets the description of a rule about a security group."""
    return self.ip_range.get("Description") or (self.source_group or {}).get("Description")


def run_instances(self, before=EC2Response.run_instances):
    """moto 5.2.5 forgets at the start that an instance is protected from termination."""
    known = {instance.id for instance in self.ec2_backend.all_instances()}
    answered = before(self)
    for instance in self.ec2_backend.all_instances():
        if instance.id not in known:
            instance.disable_api_termination = self._get_bool_param("DisableApiTermination", False)
    return answered


def terminate(self, before=Instance.terminate):
    """moto 5.2.5 leaves the interfaces that outlive an instance attached to it, and refuses to delete them."""
    answered = before(self)
    for index, interface in list(self.nics.items()):
        if not interface.delete_on_termination:
            # What is told of an instance that is gone still looks at its first interface.
            remembered = copy.copy(interface)
            self.detach_eni(interface)
            self.nics[index] = remembered
    return answered


def is_action_permitted(self, *told, before=IAMPolicyStatement.is_action_permitted, **more):
    """moto 5.2.5 takes every condition of a bucket's policy as met. This AWS is asked over HTTP, and stands for one over HTTPS."""
    if self._statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
        return PermissionResult.NEUTRAL
    return before(self, *told, **more)


emulated_elasticache.mend()
IAMPolicyStatement.is_action_permitted = is_action_permitted
Instance.terminate = terminate
EC2Response.run_instances = run_instances
Subnet.ipv6_cidr_block_association_set = property(ipv6_blocks)
SecurityGroupRule.description = property(description)
EC2Response.create_instance_connect_endpoint = create_endpoint
EC2Response.describe_instance_connect_endpoints = describe_endpoints
EC2Response.delete_instance_connect_endpoint = delete_endpoint


def answer(body, status=200):
    return Response(json.dumps(body), status, content_type="application/json")


def dlm(request, region):
    """Lifecycle policies, as https://docs.aws.amazon.com/dlm/latest/APIReference/ has them."""
    if request.path == "/policies" and request.method == "POST":
        number = f"policy-{len(policies):017x}"
        told = request.get_json()
        policies[number] = {
            "PolicyId": number,
            "PolicyArn": f"arn:aws:dlm:{region}:{ACCOUNT}:policy/{number}",
            "Description": told["Description"],
            "ExecutionRoleArn": told["ExecutionRoleArn"],
            "State": told["State"],
            "PolicyDetails": {"PolicyType": "EBS_SNAPSHOT_MANAGEMENT", **told["PolicyDetails"]},
            "Tags": told.get("Tags", {}),
        }
        return answer({"PolicyId": number})
    number = request.path.rstrip("/").rsplit("/", 1)[-1]
    if request.path.startswith("/tags/"):
        number = re.search(r"policy-[0-9a-f]+", request.path)[0]
        return answer({"Tags": policies[number]["Tags"]})
    if number not in policies:
        return Response(
            json.dumps({"Message": f"{number} not found"}),
            404,
            {"x-amzn-ErrorType": "ResourceNotFoundException"},
            content_type="application/json",
        )
    if request.method == "GET":
        return answer({"Policy": policies[number]})
    if request.method == "DELETE":
        del policies[number]
    else:
        policies[number].update(request.get_json())
    return answer({})


asked = set()


def note(environ):
    """Writes down once what is asked for, as IAM calls it: beside the file with the port, in PORT-FILE.actions."""
    service = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    if not service:
        return
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    target = environ.get("HTTP_X_AMZ_TARGET")
    action = re.search(rb"(?:^|&)Action=(\w+)", body)
    if target:
        action = target.rsplit(".", 1)[-1]
    elif action:
        action = action[1].decode()
    elif service[1] == "s3":
        # What is asked of a bucket stands behind its name: PUT /bucket?versioning
        what = "object" if environ["PATH_INFO"].strip("/").count("/") else "bucket"
        asked_for = [part.removesuffix("=") for part in environ["QUERY_STRING"].split("&")]
        kind = next((part for part in asked_for if "=" not in part), "")
        action = f"{environ['REQUEST_METHOD']} {kind or what}"
    else:
        action = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].split('/')[1]}"
    line = f"{({'monitoring': 'cloudwatch'}).get(service[1], service[1])}:{action}"
    if line not in asked:
        asked.add(line)
        with open(sys.argv[1] + ".actions", "a") as file:
            file.write(line + "\n")


class Aws:
    def __init__(self):
        self.moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ, start_response):
        note(environ)
        scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/dlm/", environ.get("HTTP_AUTHORIZATION", ""))
        if scope:
            return dlm(Request(environ), scope[1])(environ, start_response)
        return self.moto(environ, start_response)


server = make_server("127.0.0.1", 0, Aws(), threaded=True)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(sys.argv[1] + ".new", sys.argv[1])
server.serve_forever()
