"""ElastiCache as several nodes need it, in place of moto's: moto 5.2.5 has no parameter groups and no groups of users, makes
one server where two were asked for, tells nothing of the servers of a replication group, and never ends deleting one.

What is asked for is kept and given back at once, and what is deleted is gone at once. Checked is what a name may be, as
https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/ says it. Users are moto's own.
"""

import re

from moto.core.responses import ActionResult, EmptyResult
from moto.elasticache.exceptions import ElastiCacheException
from moto.elasticache.responses import ElastiCacheResponse

ACCOUNT = "123456789012"
groups = {}
parameters = {}
users = {}
snapshots = []
tags = {}


def arn(self, kind, name):
    return f"arn:aws:elasticache:{self.region}:{ACCOUNT}:{kind}:{name}"


def wrong(code, message):
    error = ElastiCacheException(message)
    error.code = code
    return error


def keep(self, kind, name, most):
    """The ARN of what is made now, under a name that ElastiCache takes."""
    if not re.fullmatch(r"[a-zA-Z](-?[a-zA-Z0-9])*", name) or len(name) > most:
        raise wrong("InvalidParameterValue", f"{name} is no name of a {kind}: {len(name)} of at most {most} characters")
    made = arn(self, kind, name)
    tags[made] = {tag["Key"]: tag["Value"] for tag in self._get_params().get("Tags", [])}
    return made


def told(kept, name, code):
    """One of what is kept, or all; an error where that one is not there."""
    if name is None:
        return list(kept.values())
    if name not in kept:
        raise wrong(code, f"{name} not found")
    return [kept[name]]


def create_parameter_group(self):
    params = self._get_params()
    name = params["CacheParameterGroupName"]
    parameters[name] = {
        "CacheParameterGroupName": name,
        "CacheParameterGroupFamily": params["CacheParameterGroupFamily"],
        "Description": params["Description"],
        "IsGlobal": False,
        "ARN": keep(self, "parametergroup", name, 255),
    }, {}
    return ActionResult({"CacheParameterGroup": parameters[name][0]})


def modify_parameter_group(self):
    params = self._get_params()
    name = params["CacheParameterGroupName"]
    for pair in params["ParameterNameValues"]:
        parameters[name][1][pair["ParameterName"]] = pair["ParameterValue"]
    return ActionResult({"CacheParameterGroupName": name})


def describe_parameter_groups(self):
    found = told(parameters, self._get_params().get("CacheParameterGroupName"), "CacheParameterGroupNotFound")
    return ActionResult({"CacheParameterGroups": [group for group, _ in found]})


def describe_parameters(self):
    [(_, values)] = told(parameters, self._get_params()["CacheParameterGroupName"], "CacheParameterGroupNotFound")
    return ActionResult(
        {"Parameters": [{"ParameterName": name, "ParameterValue": value, "Source": "user"} for name, value in values.items()]}
    )


def delete_parameter_group(self):
    del parameters[self._get_params()["CacheParameterGroupName"]]
    return EmptyResult()


def create_user_group(self):
    params = self._get_params()
    name = params["UserGroupId"]
    for user in params["UserIds"]:
        self.elasticache_backend.describe_users(user)
    users[name] = {
        "UserGroupId": name,
        "Status": "active",
        "Engine": params["Engine"],
        "UserIds": params["UserIds"],
        "MinimumEngineVersion": "7.2",
        "ReplicationGroups": [],
        "ARN": keep(self, "usergroup", name, 40),
    }
    return ActionResult(users[name])


def describe_user_groups(self):
    return ActionResult({"UserGroups": told(users, self._get_params().get("UserGroupId"), "UserGroupNotFound")})


def delete_user_group(self):
    [gone] = told(users, self._get_params()["UserGroupId"], "UserGroupNotFound")
    del users[gone["UserGroupId"]]
    return ActionResult({**gone, "Status": "deleting"})


def delete_subnet_group(self):
    del self.elasticache_backend.cache_subnet_groups[self._get_params()["CacheSubnetGroupName"]]
    return EmptyResult()


def create_replication_group(self):
    params = self._get_params()
    name = params["ReplicationGroupId"]
    for group in params.get("UserGroupIds", []):
        told(users, group, "UserGroupNotFound")
    told(parameters, params["CacheParameterGroupName"], "CacheParameterGroupNotFound")
    made = keep(self, "replicationgroup", name, 40)
    self.elasticache_backend.describe_cache_subnet_groups(params["CacheSubnetGroupName"])
    port = int(params["Port"])
    members = [f"{name}-{number + 1:03}" for number in range(int(params["NumCacheClusters"]))]
    group = {
        "ReplicationGroupId": name,
        "Description": params["ReplicationGroupDescription"],
        "Status": "available",
        "MemberClusters": members,
        "NodeGroups": [
            {
                "NodeGroupId": "0001",
                "Status": "available",
                "PrimaryEndpoint": {"Address": f"master.{name}.cache.amazonaws.com", "Port": port},
                "ReaderEndpoint": {"Address": f"replica.{name}.cache.amazonaws.com", "Port": port},
                "NodeGroupMembers": [{"CacheClusterId": member, "CacheNodeId": "0001"} for member in members],
            }
        ],
        "AutomaticFailover": "enabled" if params.get("AutomaticFailoverEnabled") else "disabled",
        "MultiAZ": "enabled" if params.get("MultiAZEnabled") else "disabled",
        "SnapshotRetentionLimit": int(params.get("SnapshotRetentionLimit", 0)),
        "SnapshotWindow": params["SnapshotWindow"],
        "ClusterEnabled": False,
        "ClusterMode": "disabled",
        "CacheNodeType": params["CacheNodeType"],
        "AuthTokenEnabled": "AuthToken" in params,
        "TransitEncryptionEnabled": params.get("TransitEncryptionEnabled", False),
        "TransitEncryptionMode": params.get("TransitEncryptionMode", "preferred"),
        "AtRestEncryptionEnabled": params.get("AtRestEncryptionEnabled", False),
        "ARN": made,
        "UserGroupIds": params.get("UserGroupIds", []),
        "LogDeliveryConfigurations": [],
        "DataTiering": "disabled",
        "AutoMinorVersionUpgrade": params.get("AutoMinorVersionUpgrade", False),
        "NetworkType": "ipv4",
        "IpDiscovery": "ipv4",
        "Engine": params["Engine"],
    }
    servers = [
        {
            "CacheClusterId": member,
            "ReplicationGroupId": name,
            "CacheClusterStatus": "available",
            "CacheNodeType": params["CacheNodeType"],
            "Engine": params["Engine"],
            "EngineVersion": f"{params['EngineVersion']}.1",
            "NumCacheNodes": 1,
            "PreferredMaintenanceWindow": params["PreferredMaintenanceWindow"],
            "CacheParameterGroup": {"CacheParameterGroupName": params["CacheParameterGroupName"], "ParameterApplyStatus": "in-sync"},
            "CacheSubnetGroupName": params["CacheSubnetGroupName"],
            "SecurityGroups": [{"SecurityGroupId": number, "Status": "active"} for number in params["SecurityGroupIds"]],
            "CacheNodes": [
                {"CacheNodeId": "0001", "CacheNodeStatus": "available", "Endpoint": {"Address": f"{member}.cache.amazonaws.com", "Port": port}}
            ],
            **{
                key: group[key]
                for key in (
                    "AutoMinorVersionUpgrade", "AtRestEncryptionEnabled", "AuthTokenEnabled",
                    "TransitEncryptionEnabled", "TransitEncryptionMode", "SnapshotRetentionLimit", "SnapshotWindow",
                )
            },
            "ARN": arn(self, "cluster", member),
        }
        for member in members
    ]
    groups[name] = group, servers
    return ActionResult({"ReplicationGroup": {**group, "Status": "creating"}})


def describe_replication_groups(self):
    found = told(groups, self._get_params().get("ReplicationGroupId"), "ReplicationGroupNotFoundFault")
    return ActionResult({"ReplicationGroups": [group for group, _ in found]})


def describe_servers(self):
    kept = {server["CacheClusterId"]: server for _, servers in groups.values() for server in servers}
    return ActionResult({"CacheClusters": told(kept, self._get_params().get("CacheClusterId"), "CacheClusterNotFound")})


def delete_replication_group(self):
    params = self._get_params()
    [(gone, _)] = told(groups, params["ReplicationGroupId"], "ReplicationGroupNotFoundFault")
    if params.get("FinalSnapshotIdentifier"):
        snapshots.append({"SnapshotName": params["FinalSnapshotIdentifier"], "SnapshotStatus": "available"})
    del groups[gone["ReplicationGroupId"]]
    return ActionResult({"ReplicationGroup": {**gone, "Status": "deleting"}})


def describe_snapshots(self):
    return ActionResult({"Snapshots": snapshots})


def list_tags(self):
    name = self._get_params()["ResourceName"]
    if name in tags:
        return ActionResult({"TagList": [{"Key": key, "Value": value} for key, value in tags[name].items()]})
    return ActionResult({"TagList": self.elasticache_backend.list_tags_for_resource(name)["Tags"]})


def mend():
    """Puts all this in place of moto's."""
    for name, answer in {
        "create_cache_parameter_group": create_parameter_group,
        "modify_cache_parameter_group": modify_parameter_group,
        "describe_cache_parameter_groups": describe_parameter_groups,
        "describe_cache_parameters": describe_parameters,
        "delete_cache_parameter_group": delete_parameter_group,
        "create_user_group": create_user_group,
        "describe_user_groups": describe_user_groups,
        "delete_user_group": delete_user_group,
        "delete_cache_subnet_group": delete_subnet_group,
        "create_replication_group": create_replication_group,
        "describe_replication_groups": describe_replication_groups,
        "describe_cache_clusters": describe_servers,
        "delete_replication_group": delete_replication_group,
        "describe_snapshots": describe_snapshots,
        "list_tags_for_resource": list_tags,
    }.items():
        setattr(ElastiCacheResponse, name, answer)
