"""Each metric that a rule or a panel under docs/monitoring names is one that docs/METRICS.md has, with the labels it has."""

import json
import pathlib
import re
import sys

import yaml

root = pathlib.Path(sys.argv[1])
known = {}
for name, labels, kind in re.findall(r"^\| `(\w+?)(?:\{(.*?)\})?` \| (\w+) \|", (root / "docs/METRICS.md").read_text(), re.M):
    known[name] = set(filter(None, labels.split(",")))
    if kind == "histogram":
        for ending in ("bucket", "count", "sum"):
            known[f"{name}_{ending}"] = known[name] | ({"le"} if ending == "bucket" else set())
assert len(known) > 30, "docs/METRICS.md is not read right"

expressions = [
    (f"rules.yaml: {rule.get('alert') or rule['record']}", rule["expr"])
    for group in yaml.safe_load((root / "docs/monitoring/rules.yaml").read_text())["groups"]
    for rule in group["rules"]
]
dashboard = json.loads((root / "docs/monitoring/dashboard.json").read_text())
expressions += [
    (f"dashboard.json: {panel['title']}", target["expr"])
    for panel in dashboard["panels"]
    for target in panel.get("targets", [])
]

wrong = []
for where, expression in expressions:
    names = re.findall(r"\b((?:sarangbang|process)_\w+)(?:\{(.*?)\})?", expression)
    if not names and "up{" not in expression:
        wrong.append(f"{where} names no metric of Sarangbang: {expression}")
    for name, labels in names:
        if name not in known:
            wrong.append(f"{where}: there is no metric {name}")
            continue
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels)) - {"job", "instance"}
        if used - known[name]:
            wrong.append(f"{where}: {name} has no label {', '.join(sorted(used - known[name]))}")
if wrong:
    sys.exit("\n".join(wrong))
print(f"docs/monitoring: {len(expressions)} expressions name metrics of docs/METRICS.md")
