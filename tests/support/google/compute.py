"""Compute Engine: resources of every kind alike, and what some kinds do by themselves."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.google.calls import Call
from tests.support.google.state import SITE, ApiError, Json, Operation, State, expanded, fingerprint, now

_BASE = "/compute/v1/"
_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")


class Compute:
    """Answers the calls of ``compute.v1``."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.polls: Mapping[str, int] = {}
        """Method to the number of questions until its operation is done."""
        self._requests: dict[str | None, Json] = {}
        self.failures: Mapping[str, tuple[str, str]] = {}
        """Method to code and message with which its operation fails."""

    def answer(self, call: Call) -> Json:
        """Raises ApiError."""
        # As Google does: a repeated request of the same ID is the request that came first.
        request_id = call.query.get("requestId")
        if request_id in self._requests:
            return self._requests[request_id]
        answer = self._answer(call)
        if request_id is not None:
            self._requests[request_id] = answer
        return answer

    def _answer(self, call: Call) -> Json:
        _, collection, verb = call.method.id.split(".")
        if collection.endswith("Operations"):
            return self._operation(call, verb)
        special: Callable[[Call], Json] | None = getattr(self, f"_{collection}_{verb}", None)
        if special is not None:
            return special(call)
        common: Callable[[Call], Json] | None = getattr(self, f"_{verb}", None)
        if common is None:
            raise ApiError(501, "notImplemented", f"the tests' Google does not know {call.method.id}")
        return common(call)

    # What is the same for every kind.

    def _get(self, call: Call) -> Json:
        return self._state.get(call.path.removeprefix(_BASE))

    def _list(self, call: Call) -> Json:
        collection = call.path.removeprefix(_BASE)
        return {"kind": "compute#list", "items": _filtered(self._state.under(collection), call.query)}

    def _aggregatedList(self, call: Call) -> Json:  # noqa: N802 - named like Google's method
        project, kind = call.params["project"], call.path.split("/")[-1]
        scopes: dict[str, Json] = {}
        for name, body in sorted(self._state.resources.items()):
            parts = name.split("/")
            if parts[:2] == ["projects", project] and parts[-2] == kind and _filtered([body], call.query):
                scopes.setdefault("/".join(parts[2:-2]), {kind: []})[kind].append(body)
        return {"kind": "compute#aggregatedList", "items": scopes}

    def _insert(self, call: Call) -> Json:
        collection = call.path.removeprefix(_BASE)
        body = expanded(call.body, call.params["project"])
        if not _NAME.fullmatch(body.get("name", "")):
            raise ApiError(400, "invalid", f"Invalid value for field 'resource.name': '{body.get('name')}'")
        name = f"{collection}/{body['name']}"
        self._state.check_references(body)
        body |= {
            "kind": f"compute#{collection.split('/')[-1].removesuffix('s')}",
            "id": self._state.number(),
            "selfLink": SITE + name,
            "creationTimestamp": now(),
            **_scope(collection),
        }
        self._complete(name, body)
        self._state.add(name, body)
        return self._started(call, name)

    def _complete(self, name: str, body: Json) -> None:
        """What Google adds to a new resource of some kinds."""
        if "labels" in body or name.split("/")[-2] in ("disks", "instances", "addresses"):
            body["labelFingerprint"] = fingerprint(body.get("labels", {}))
        complete: Callable[[str, Json], None] | None = getattr(self, f"_complete_{name.split('/')[-2]}", None)
        if complete is not None:
            complete(name, body)

    def _patch(self, call: Call) -> Json:
        name = call.path.removeprefix(_BASE)
        return self._change(call, name, expanded(call.body, call.params["project"]))

    _update = _patch

    def _change(self, call: Call, name: str, fields: Json) -> Json:
        body = self._state.get(name)
        self._state.check_references(fields)
        body.update(fields)
        return self._started(call, name)

    def _delete(self, call: Call) -> Json:
        name = call.path.removeprefix(_BASE)
        self._state.remove(name)
        return self._started(call, name)

    def _setLabels(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/setLabels")
        body = self._state.get(name)
        _check_fingerprint(body["labelFingerprint"], call.body.get("labelFingerprint"))
        labels = call.body.get("labels", {})
        return self._change(call, name, {"labels": labels, "labelFingerprint": fingerprint(labels)})

    # Operations.

    def _started(self, call: Call, target: str) -> Json:
        parts = call.path.removeprefix(_BASE).split("/")
        scope = "/".join(parts[2:4]) if parts[2] in ("zones", "regions") else "global"
        name = f"operation-{self._state.number()}"
        body: Json = {
            "kind": "compute#operation",
            "id": self._state.number(),
            "name": name,
            "operationType": call.method.id.split(".")[-1],
            "targetLink": SITE + target,
            "status": "RUNNING",
            "progress": 0,
            "insertTime": now(),
            "selfLink": f"{SITE}projects/{parts[1]}/{scope}/operations/{name}",
            **_scope(f"projects/{parts[1]}/{scope}/operations"),
        }
        made = target if call.method.id.endswith(".insert") else None
        operation = Operation(
            body, self.polls.get(call.method.id, 0), self.failures.get(call.method.id), undo=made
        )
        self._state.operations[f"projects/{parts[1]}/{scope}/operations/{name}"] = operation
        if operation.polls == 0:
            self._finish(operation)
        return body

    def _operation(self, call: Call, verb: str) -> Json:
        name = call.path.removeprefix(_BASE)
        if verb == "list":
            running = self._state.operations.items()
            return {"items": [found.body for key, found in running if key.rpartition("/")[0] == name]}
        operation = self._state.operations.get(name.removesuffix("/wait"))
        if operation is None:
            raise ApiError(404, "notFound", f"The resource '{name}' was not found")
        if operation.body["status"] != "DONE":
            operation.polls -= 1
            if operation.polls <= 0:
                self._finish(operation)
        return operation.body

    def _finish(self, operation: Operation) -> None:
        operation.body |= {"status": "DONE", "progress": 100, "endTime": now()}
        if operation.error is not None:
            code, message = operation.error
            operation.body["error"] = {"errors": [{"code": code, "message": message}]}
            operation.body |= {"httpErrorStatusCode": 400, "httpErrorMessage": "BAD REQUEST"}
            if operation.undo in self._state.resources:
                self._remove_instance(operation.undo)

    # Regions, zones, machine types: given.

    def _regions_get(self, call: Call) -> Json:
        project, region = call.params["project"], call.params["region"]
        zones = self._state.regions.get(region)
        if zones is None:
            raise ApiError(
                404, "notFound", f"The resource 'projects/{project}/regions/{region}' was not found"
            )
        return {
            "name": region,
            "status": "UP",
            "zones": [f"{SITE}projects/{project}/zones/{z}" for z in zones],
            "quotas": [{"metric": one, "limit": limit} for one, limit in self._state.quotas.items()],
        }

    def _machineTypes_get(self, call: Call) -> Json:  # noqa: N802
        zone, kind = call.params["zone"], call.params["machineType"]
        known = any(zone in zones for zones in self._state.regions.values())
        if not known or kind not in self._state.machine_types:
            name = call.path.removeprefix(_BASE)
            raise ApiError(404, "notFound", f"The resource '{name}' was not found")
        cores, memory = self._state.machine_types[kind]
        return {"name": kind, "zone": zone, "guestCpus": cores, "memoryMb": memory}

    def _zones_list(self, _: Call) -> Json:
        zones = [zone for zones in self._state.regions.values() for zone in zones]
        return {"items": [{"name": zone, "status": "UP"} for zone in sorted(zones)]}

    # Addresses, disks, instances, subnetworks.

    def _subnetworks_setPrivateIpGoogleAccess(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/setPrivateIpGoogleAccess")
        return self._change(call, name, call.body)

    def _complete_addresses(self, _: str, body: Json) -> None:
        number = int(body["id"][-3:]) % 250 + 1
        # They "can only be added or modified by the setLabels method".
        body.pop("labels", None)
        body["labelFingerprint"] = fingerprint({})
        body |= {"address": f"203.0.113.{number}", "status": "RESERVED"}

    def _addresses_delete(self, call: Call) -> Json:
        address = self._get(call)
        for name, body in self._state.resources.items():
            if "/instances/" in name and address["address"] in _nat_addresses(body):
                raise ApiError(
                    400,
                    "resourceInUseByAnotherResource",
                    f"The address '{address['name']}' is used by '{name}'",
                )
        return self._delete(call)

    def _complete_disks(self, _: str, body: Json) -> None:
        body["status"] = "READY"
        body["sizeGb"] = str(body.get("sizeGb", 10))

    def _disks_resize(self, call: Call) -> Json:
        name = call.path.removeprefix(_BASE).removesuffix("/resize")
        if int(call.body["sizeGb"]) < int(self._state.get(name)["sizeGb"]):
            raise ApiError(400, "invalid", "Disk cannot be made smaller")
        return self._change(call, name, {"sizeGb": str(call.body["sizeGb"])})

    def _disks_addResourcePolicies(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/addResourcePolicies")
        added = expanded(call.body["resourcePolicies"], call.params["project"])
        old = self._state.get(name).get("resourcePolicies", [])
        return self._change(call, name, {"resourcePolicies": sorted({*old, *added})})

    def _disks_removeResourcePolicies(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/removeResourcePolicies")
        removed = expanded(call.body["resourcePolicies"], call.params["project"])
        old = self._state.get(name).get("resourcePolicies", [])
        return self._change(call, name, {"resourcePolicies": [one for one in old if one not in removed]})

    def _complete_instances(self, name: str, body: Json) -> None:
        self._check_machine_type(name, body["machineType"].split("/")[-1])
        self._check_accounts(body)
        body |= {"status": "RUNNING", "cpuPlatform": "Intel Broadwell", "fingerprint": fingerprint(body)}
        number = int(body["id"][-3:]) % 250 + 2
        for interface in body.get("networkInterfaces", ()):
            interface.setdefault("networkIP", f"10.128.0.{number}")
            interface["name"] = "nic0"
        for field in ("metadata", "tags"):
            body[field] = {**body.get(field, {}), "fingerprint": fingerprint(body.get(field, {}))}
        body.setdefault("scheduling", {"onHostMaintenance": "MIGRATE", "automaticRestart": True})
        self._make_boot_disk(name, body)

    def _make_boot_disk(self, name: str, body: Json) -> None:
        zone = name.rpartition("/instances/")[0]
        for disk in body.get("disks", ()):
            if asked := disk.pop("initializeParams", None):
                made = f"{zone}/disks/{asked.get('diskName', body['name'])}"
                size = str(asked.get("diskSizeGb", 10))
                self._state.add(
                    made,
                    {
                        "name": made.rsplit("/", maxsplit=1)[-1],
                        "selfLink": SITE + made,
                        "id": self._state.number(),
                    }
                    | {"sizeGb": size, "labels": asked.get("labels", {}), "type": asked.get("diskType", "")}
                    | {"status": "READY", "labelFingerprint": fingerprint(asked.get("labels", {}))},
                )
                disk |= {"source": SITE + made, "diskSizeGb": size}

    def _check_machine_type(self, name: str, kind: str) -> None:
        if kind not in self._state.machine_types:
            raise ApiError(
                400, "invalid", f"Invalid value for field 'resource.machineType': '{kind}' of {name}"
            )

    def _check_accounts(self, body: Json) -> None:
        for account in body.get("serviceAccounts", ()):
            known = [
                one for one in self._state.resources if one.endswith(f"/serviceAccounts/{account['email']}")
            ]
            if not known:
                raise ApiError(
                    400, "invalid", f"The resource 'serviceAccounts/{account['email']}' was not found"
                )

    def _instances_delete(self, call: Call) -> Json:
        name = call.path.removeprefix(_BASE)
        if self._state.get(name).get("deletionProtection"):
            raise ApiError(400, "resourceInUseByAnotherResource", f"'{name}' is protected against deletion")
        self._remove_instance(name)
        return self._started(call, name)

    def _remove_instance(self, name: str) -> None:
        disks = self._state.get(name).get("disks", [])
        self._state.remove(name)
        for disk in disks:
            if disk.get("autoDelete") and "source" in disk:
                self._state.resources.pop(disk["source"].removeprefix(SITE), None)

    def _instances_setMetadata(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/setMetadata")
        _check_fingerprint(self._state.get(name)["metadata"]["fingerprint"], call.body.get("fingerprint"))
        return self._change(call, name, {"metadata": {**call.body, "fingerprint": fingerprint(call.body)}})

    def _instances_setTags(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/setTags")
        _check_fingerprint(self._state.get(name)["tags"]["fingerprint"], call.body.get("fingerprint"))
        return self._change(call, name, {"tags": {**call.body, "fingerprint": fingerprint(call.body)}})

    def _instances_setMachineType(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/setMachineType")
        if self._state.get(name)["status"] != "TERMINATED":
            raise ApiError(
                400, "resourceNotReady", f"'{name}' must be stopped before its machine type is changed"
            )
        kind = call.body["machineType"]
        self._check_machine_type(name, kind.split("/")[-1])
        return self._change(call, name, {"machineType": expanded(kind, call.params["project"])})

    def _instances_stop(self, call: Call) -> Json:
        return self._change(
            call, call.path.removeprefix(_BASE).removesuffix("/stop"), {"status": "TERMINATED"}
        )

    def _instances_start(self, call: Call) -> Json:
        return self._change(call, call.path.removeprefix(_BASE).removesuffix("/start"), {"status": "RUNNING"})

    # Templates, groups, autoscalers.

    def _complete_instanceTemplates(self, name: str, body: Json) -> None:  # noqa: N802
        self._check_machine_type(name, body["properties"]["machineType"])
        self._check_accounts(body["properties"])

    def _complete_instanceGroupManagers(self, name: str, body: Json) -> None:  # noqa: N802
        group = SITE + name.replace("/instanceGroupManagers/", "/instanceGroups/")
        body |= {"instanceGroup": group, "fingerprint": fingerprint(body), "status": {"isStable": True}}
        self.resize(name, body)

    def _regionInstanceGroupManagers_listManagedInstances(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/listManagedInstances")
        self._state.get(name)
        return {"managedInstances": [_managed(body) for body in self.members(name)]}

    def _regionInstanceGroupManagers_delete(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE)
        members = self.members(name)
        self._state.remove(name)
        for body in members:
            self._remove_instance(body["selfLink"].removeprefix(SITE))
        return self._started(call, name)

    def _regionInstanceGroupManagers_resize(self, call: Call) -> Json:  # noqa: N802
        name = call.path.removeprefix(_BASE).removesuffix("/resize")
        self._state.get(name)["targetSize"] = int(call.query["size"])
        self.resize(name, self._state.get(name))
        return self._started(call, name)

    def _complete_autoscalers(self, _: str, body: Json) -> None:
        body["status"] = "ACTIVE"
        group = body["target"].removeprefix(SITE)
        policy, manager = body["autoscalingPolicy"], self._state.get(group)
        size = min(max(manager["targetSize"], policy.get("minNumReplicas", 0)), policy["maxNumReplicas"])
        manager["targetSize"] = size
        self.resize(group, manager)

    def _regionAutoscalers_patch(self, call: Call) -> Json:  # noqa: N802
        name = f"{call.path.removeprefix(_BASE)}/{call.query.get('autoscaler') or call.body['name']}"
        return self._change(call, name, expanded(call.body, call.params["project"]))

    # The machines of a group.

    def members(self, group: str) -> list[Json]:
        """The VMs of a group, whose name is ``projects/P/regions/R/instanceGroupManagers/NAME``."""
        found = self._state.resources.items()
        return [body for name, body in found if "/instances/" in name and _created_by(body) == group]

    def resize(self, group: str, manager: Json) -> None:
        """Brings a group to its target size."""
        while len(self.members(group)) < manager["targetSize"]:
            self.add_member(group, manager)
        for body in self.members(group)[manager["targetSize"] :]:
            self._remove_instance(body["selfLink"].removeprefix(SITE))

    def add_member(self, group: str, manager: Json, name: str | None = None, zone: str | None = None) -> Json:
        """A new VM of a group, made of its template."""
        _, project, _, region, *_ = group.split("/")
        count = int(self._state.number()[-6:])
        zones = self._state.regions[region]
        zone = zone or zones[count % len(zones)]
        name = name or f"{manager.get('baseInstanceName', manager['name'])}-{_letters(count)}"
        full = f"projects/{project}/zones/{zone}/instances/{name}"
        template = self._template_of(manager)
        body: Json = {
            **_copied(template),
            "kind": "compute#instance",
            "name": name,
            "id": self._state.number(),
            "selfLink": SITE + full,
            "zone": f"{SITE}projects/{project}/zones/{zone}",
            "creationTimestamp": now(),
        }
        created_by = group.replace(f"projects/{project}/", "projects/123456789012/")
        items = [*body.get("metadata", {}).get("items", ()), {"key": "created-by", "value": created_by}]
        body["metadata"] = {"items": items}
        self._complete_instances(full, body)
        body["tests.group"] = group
        self._state.add(full, body)
        return body

    def remove_member(self, body: Json) -> None:
        """Takes a VM out of its group, as a scale-in does."""
        manager = self._state.get(_created_by(body))
        manager["targetSize"] = max(manager["targetSize"] - 1, 0)
        self._remove_instance(body["selfLink"].removeprefix(SITE))

    def _template_of(self, manager: Json) -> Json:
        if "instanceTemplate" in manager:
            name = manager["instanceTemplate"]
        else:
            name = manager["versions"][0]["instanceTemplate"]
        properties: Json = self._state.get(name.removeprefix(SITE))["properties"]
        return properties


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _created_by(body: Json) -> str:
    return str(body.get("tests.group", ""))


def _managed(body: Json) -> Json:
    return {
        "instance": body["selfLink"],
        "id": body["id"],
        "name": body["name"],
        "instanceStatus": body["status"],
        "currentAction": body.get("tests.action", "NONE"),
    }


def _letters(number: int) -> str:
    return "".join(chr(97 + number // 26**place % 26) for place in range(4))


def _scope(collection: str) -> Json:
    parts = collection.split("/")
    if parts[2] in ("zones", "regions"):
        return {parts[2][:-1]: SITE + "/".join(parts[:4])}
    return {}


def _nat_addresses(body: Json) -> list[str]:
    interfaces = body.get("networkInterfaces", ())
    return [access.get("natIP", "") for one in interfaces for access in one.get("accessConfigs", ())]


def _check_fingerprint(stored: str, sent: str | None) -> None:
    if sent != stored:
        raise ApiError(412, "conditionNotMet", f"fingerprint {sent!r} does not match; {stored!r} expected")


def _filtered(items: list[Json], query: Mapping[str, str]) -> list[Json]:
    """By the one form of filter that is used here: ``labels.KEY=VALUE``, joined by ``AND``."""
    found = re.findall(r"([\w.-]+)\s*(?:=|eq)\s*\"?([^\s\")]+)\"?", query.get("filter", ""))
    return [item for item in items if all(_field(item, path.split(".")) == value for path, value in found)]


def _field(item: Any, path: list[str]) -> Any:
    for key in path:
        item = item.get(key) if isinstance(item, dict) else None
    return item
