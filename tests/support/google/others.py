"""IAM, Secret Manager, Cloud Monitoring, Resource Manager and Service Usage."""

import base64
from collections.abc import Callable

from tests.support.google.calls import Call
from tests.support.google.state import ApiError, Json, State, fingerprint


class Others:
    """Answers the calls of everything but Compute Engine."""

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, call: Call) -> Json:
        """Raises ApiError."""
        name = call.id.replace(".projects.", ".", 1).replace(".", "_")
        handler: Callable[[Call], Json] | None = getattr(self, f"_{name}", None)
        if handler is None:
            raise ApiError(501, "notImplemented", f"the tests' Google does not know {call.id}")
        return handler(call)

    def _at(self, call: Call) -> str:
        return (
            call.path.split("/", 2)[2].partition(":")[0] if ":" in call.path else call.path.split("/", 2)[2]
        )

    def _got(self, call: Call) -> Json:
        return self._state.get(self._at(call))

    def _removed(self, call: Call) -> Json:
        self._state.get(self._at(call))
        del self._state.resources[self._at(call)]
        return {}

    # IAM.

    def _iam_serviceAccounts_create(self, call: Call) -> Json:  # noqa: N802
        project = call.params["name"].split("/")[1]
        email = f"{call.body['accountId']}@{project}.iam.gserviceaccount.com"
        name = f"projects/{project}/serviceAccounts/{email}"
        body = {"name": name, "email": email, "projectId": project, "uniqueId": self._state.number()}
        self._state.add(name, {**call.body.get("serviceAccount", {}), **body})
        return self._state.get(name)

    _iam_serviceAccounts_get = _got  # noqa: N815
    _iam_serviceAccounts_delete = _removed  # noqa: N815

    def _iam_serviceAccounts_patch(self, call: Call) -> Json:  # noqa: N802
        fields = call.body["updateMask"].split(",")
        found = self._got(call)
        found.update({key: call.body["serviceAccount"].get(key, "") for key in fields})
        return found

    def _iam_serviceAccounts_enable(self, call: Call) -> Json:  # noqa: N802
        self._got(call).pop("disabled", None)
        return {}

    def _iam_serviceAccounts_list(self, call: Call) -> Json:  # noqa: N802
        return {"accounts": self._state.under(f"{call.params['name']}/serviceAccounts")}

    def _iam_roles_create(self, call: Call) -> Json:
        name = f"{call.params['parent']}/roles/{call.body['roleId']}"
        self._state.add(name, {**call.body.get("role", {}), "name": name, "etag": "BwY="})
        return self._state.get(name)

    _iam_roles_get = _got

    def _iam_roles_patch(self, call: Call) -> Json:
        found = self._got(call)
        found.update(call.body)
        return found

    def _iam_roles_delete(self, call: Call) -> Json:
        # It stays for a week, and its name with it.
        found = self._got(call)
        found["deleted"] = True
        return found

    def _iam_roles_undelete(self, call: Call) -> Json:
        found = self._got(call)
        found.pop("deleted", None)
        return found

    # Secret Manager.

    def _secretmanager_secrets_create(self, call: Call) -> Json:
        name = f"{call.params['parent']}/secrets/{call.query['secretId']}"
        self._state.add(name, {**call.body, "name": name, "etag": '"1"'})
        return self._state.get(name)

    _secretmanager_secrets_get = _got

    def _secretmanager_secrets_delete(self, call: Call) -> Json:
        self._state.policies.pop(self._at(call), None)
        for version in self._state.under(f"{self._at(call)}/versions"):
            del self._state.resources[version["name"]]
        return self._removed(call)

    def _secretmanager_secrets_list(self, call: Call) -> Json:
        return {"secrets": self._state.under(f"{call.params['parent']}/secrets")}

    def _secretmanager_secrets_patch(self, call: Call) -> Json:
        found = self._got(call)
        found.update(call.body)
        return found

    def _secretmanager_secrets_addVersion(self, call: Call) -> Json:  # noqa: N802
        secret = self._got(call)
        base64.b64decode(call.body["payload"]["data"], validate=True)
        count = len(self._state.under(f"{secret['name']}/versions")) + 1
        name = f"{secret['name']}/versions/{count}"
        self._state.add(name, {"name": name, "state": "ENABLED", "payload": call.body["payload"]})
        return {"name": name, "state": "ENABLED"}

    def _secretmanager_secrets_versions_access(self, call: Call) -> Json:
        name = self._at(call)
        if name.endswith("/latest"):
            versions = self._state.under(name.rpartition("/")[0])
            if not versions:
                raise ApiError(404, "notFound", f"Secret Version [{name}] not found.")
            name = str(versions[-1]["name"])
        found = self._state.get(name)
        return {"name": name, "payload": found["payload"]}

    def _secretmanager_secrets_versions_list(self, call: Call) -> Json:
        return {"versions": self._state.under(f"{call.params['parent']}/versions")}

    # Policies.

    def _policy(self, call: Call) -> Json:
        if call.params["resource"].count("/") != 1:
            self._got(call)
        policy = self._state.policies.setdefault(call.params["resource"], {"version": 1, "bindings": []})
        return {**policy, "etag": fingerprint(policy)}

    def _set_policy(self, call: Call) -> Json:
        current, wanted = self._policy(call), dict(call.body["policy"])
        if wanted.pop("etag", current["etag"]) != current["etag"]:
            raise ApiError(409, "aborted", "There were concurrent policy changes. Please retry.")
        for binding in wanted.get("bindings", ()):
            self._check_binding(binding)
        self._state.policies[call.params["resource"]] = {"version": 1, **wanted}
        return self._policy(call)

    def _check_binding(self, binding: Json) -> None:
        own = binding["role"].startswith("projects/")
        if own and self._state.get(binding["role"]).get("deleted"):
            raise ApiError(400, "invalid", f"Role {binding['role']} is deleted")
        for member in binding["members"]:
            kind, _, email = member.partition(":")
            project = email.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
            name = f"projects/{project}/serviceAccounts/{email}"
            if (
                kind == "serviceAccount"
                and project in self._state.projects
                and name not in self._state.resources
            ):
                raise ApiError(400, "invalid", f"Service account {email} does not exist.")

    _secretmanager_secrets_getIamPolicy = _policy  # noqa: N815
    _secretmanager_secrets_setIamPolicy = _set_policy  # noqa: N815
    _cloudresourcemanager_getIamPolicy = _policy  # noqa: N815
    _cloudresourcemanager_setIamPolicy = _set_policy  # noqa: N815

    # Projects and their services.

    def _cloudresourcemanager_get(self, call: Call) -> Json:
        project = call.params["name"].split("/")[1]
        return {"name": "projects/123456789012", "projectId": project, "state": "ACTIVE"}

    def _serviceusage_services_batchGet(self, call: Call) -> Json:  # noqa: N802
        names = call.query["names"].split(",")
        return {"services": [{"name": name, "state": self._service_state(name)} for name in names]}

    def _service_state(self, name: str) -> str:
        return "ENABLED" if name.rsplit("/", maxsplit=1)[-1] in self._state.services else "DISABLED"

    def _serviceusage_services_list(self, call: Call) -> Json:
        parent = call.params["parent"]
        names = sorted(self._state.services)
        return {"services": [{"name": f"{parent}/services/{name}", "state": "ENABLED"} for name in names]}

    def _serviceusage_services_batchEnable(self, call: Call) -> Json:  # noqa: N802
        self._state.services.update(call.body["serviceIds"])
        return {"name": f"operations/acat.p2-{self._state.number()}", "done": True, "response": {}}

    def _serviceusage_operations_get(self, call: Call) -> Json:
        return {"name": call.params["name"], "done": True, "response": {}}

    # Cloud Monitoring.

    def _monitoring_metricDescriptors_create(self, call: Call) -> Json:  # noqa: N802
        name = f"{call.params['name']}/metricDescriptors/{call.body['type']}"
        # Creating one again changes it.
        self._state.resources[name] = {**call.body, "name": name}
        return self._state.get(name)

    def _monitoring_timeSeries_create(self, call: Call) -> Json:  # noqa: N802
        for series in call.body["timeSeries"]:
            name = f"{call.params['name']}/metricDescriptors/{series['metric']['type']}"
            self._state.get(name)
        return {}

    _monitoring_metricDescriptors_get = _got  # noqa: N815
    _monitoring_metricDescriptors_delete = _removed  # noqa: N815
