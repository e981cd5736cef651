"""Each call that was made to the emulated AWS is one that the policy allows.

    python policy_allows.py POLICY ACTIONS
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
}

with open(sys.argv[1]) as file:
    allowed = {action for statement in json.load(file)["Statement"] for action in statement["Action"]}
with open(sys.argv[2]) as file:
    asked = {REST.get(line, line) for line in file.read().splitlines()}
assert len(asked) > 40, f"only {len(asked)} calls were noted"
missing = sorted(asked - allowed)
if missing:
    sys.exit(f"{sys.argv[1]} does not allow {', '.join(missing)}")
