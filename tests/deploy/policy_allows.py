"""Each call that was made to the emulated AWS is one that the policies allow, and each of these is as small as AWS wants it.

    python policy_allows.py ACTIONS POLICY...
"""

import json
import sys

# Of an API that tells calls by method and path, what IAM calls them.
REST = {
    "dlm:POST policies": "dlm:CreateLifecyclePolicy",
    "dlm:GET policies": "dlm:GetLifecyclePolicy",
    "dlm:PATCH policies": "dlm:UpdateLifecyclePolicy",
    "dlm:DELETE policies": "dlm:DeleteLifecyclePolicy",
    "dlm:GET tags": "dlm:ListTagsForResource",
    "dlm:POST tags": "dlm:TagResource",
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
    "s3:HEAD bucket": "s3:ListBucket",
    "s3:GET bucket": "s3:ListBucket",
    "s3:PUT bucket": "s3:CreateBucket",
    "s3:GET accelerate": "s3:GetAccelerateConfiguration",
    "s3:GET acl": "s3:GetBucketAcl",
    "s3:GET cors": "s3:GetBucketCORS",
    "s3:GET encryption": "s3:GetEncryptionConfiguration",
    "s3:PUT encryption": "s3:PutEncryptionConfiguration",
    "s3:GET lifecycle": "s3:GetLifecycleConfiguration",
    "s3:PUT lifecycle": "s3:PutLifecycleConfiguration",
    "s3:DELETE lifecycle": "s3:PutLifecycleConfiguration",
    "s3:GET location": "s3:GetBucketLocation",
    "s3:GET logging": "s3:GetBucketLogging",
    "s3:GET object-lock": "s3:GetBucketObjectLockConfiguration",
    "s3:GET ownershipControls": "s3:GetBucketOwnershipControls",
    "s3:PUT ownershipControls": "s3:PutBucketOwnershipControls",
    "s3:GET policy": "s3:GetBucketPolicy",
    "s3:PUT policy": "s3:PutBucketPolicy",
    "s3:GET publicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PUT publicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:GET replication": "s3:GetReplicationConfiguration",
    "s3:GET requestPayment": "s3:GetBucketRequestPayment",
    "s3:GET tagging": "s3:GetBucketTagging",
    "s3:PUT tagging": "s3:PutBucketTagging",
    "s3:GET versioning": "s3:GetBucketVersioning",
    "s3:PUT versioning": "s3:PutBucketVersioning",
    "s3:GET versions": "s3:ListBucketVersions",
    "s3:GET website": "s3:GetBucketWebsite",
    "s3:GET object": "s3:GetObject",
    "s3:HEAD object": "s3:GetObject",
    # The host's, by its own role.
    "s3:PUT object": None,
    "s3:POST uploads": None,
    "s3:POST object": None,
}

allowed = set()
for name in sys.argv[2:]:
    with open(name) as file:
        policy = json.load(file)
    allowed |= {action for statement in policy["Statement"] for action in statement["Action"]}
    # AWS counts no spaces, and takes 6,144 characters of a policy. The longest region has 14.
    text = json.dumps(policy, separators=(",", ":")).replace("REGION", "ap-southeast-1").replace("ACCOUNT", "111122223333")
    if len(text) > 6144:
        sys.exit(f"{name} has {len(text)} characters; AWS takes 6144")
with open(sys.argv[1]) as file:
    asked = {REST.get(line, line) for line in file.read().splitlines()} - {None}
assert len(asked) > 60, f"only {len(asked)} calls were noted"
missing = sorted(asked - allowed)
if missing:
    sys.exit(f"{', '.join(sys.argv[2:])}: none allows {', '.join(missing)}")
