"""What a declaration asks for, in the order in which it is made; it is deleted in the opposite one."""

import hashlib
import json
from collections.abc import Iterator

from tukur.gcp.client import Json
from tukur.gcp.declaration import Declaration
from tukur.gcp.marks import description, labels
from tukur.gcp.resources.access import CustomRole, ProjectRoles, Secret, SecretAccess, ServiceAccount, member
from tukur.gcp.resources.base import Resource
from tukur.gcp.resources.compute import (
    Address,
    Autoscaler,
    ComputeResource,
    Disk,
    Instance,
    Subnetwork,
    attributes,
)
from tukur.gcp.resources.project import Metric, Services
from tukur.gcp.startup.scripts import compose_file, startup_script

APIS = ("cloudresourcemanager", "compute", "iam", "monitoring", "secretmanager")
RAM_METRIC = "custom.googleapis.com/tukur/ram_used"
"""The share of its memory that a VM uses, 0 to 1; written by the agents."""
SUBNET_RANGE = "10.83.0.0/20"
# From where Google's Identity-Aware Proxy connects: https://cloud.google.com/iap/docs/using-tcp-forwarding
IAP_RANGE = "35.235.240.0/20"
UNKNOWN_ADDRESS = "ADDRESS"
"""Stands for the hub's address until it is reserved."""
DATA_DISK = "tukur-data"
"""The device name of the disk with the data, in the platform's VM."""

_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_SECRET_READER = "roles/secretmanager.secretAccessor"  # noqa: S105 - a role
_SECRET_WRITER = "roles/secretmanager.secretVersionAdder"  # noqa: S105
# All that the hub asks is who belongs to the group (listManagedInstances).
_PLATFORM_PERMISSIONS = ["compute.instanceGroupManagers.get"]


class Desired:
    """The resources of a declaration. `address`: the hub's, once it is reserved."""

    def __init__(self, declared: Declaration, address: str | None = None) -> None:
        self._declared = declared
        self._address = address or UNKNOWN_ADDRESS
        self.name = declared.name
        self._project = f"projects/{declared.project}"
        self._region = f"{self._project}/regions/{declared.region}"
        self._zone = f"{self._project}/zones/{declared.zone}"
        self._mark = description(declared.name)
        self._labels = labels(declared.name)
        self.address = Address(
            title="address",
            collection=f"{self._region}/addresses",
            body={
                "name": f"{self.name}-hub",
                "addressType": "EXTERNAL",
                "networkTier": "PREMIUM",
                **self._marked,
            },
            unchangeable=frozenset({"addressType", "networkTier"}),
        )
        self.platform_account = self._account("platform", "hub")
        self.member_account = self._account("member", "VMs of the group")
        self.join_secret = self._secret("join")
        self.database_secrets = [self._secret(name, data=True) for name in ("database", "database-root")]

    @property
    def hub_url(self) -> str:
        """The hub's address, for browsers and agents."""
        return f"https://{self._declared.hostname or self._address}"

    @property
    def _marked(self) -> Json:
        return {"description": self._mark, "labels": self._labels}

    def before_address(self) -> list[Resource]:
        """What is made before anything can know the address."""
        return [self.services(), self.address]

    def all(self) -> list[Resource]:
        """Everything."""
        return [*self.before_address(), *self._access(), *self._network(), *self._platform(), *self._group()]

    def services(self) -> Services:
        """The APIs."""
        needed = [api for api in APIS if api != "monitoring" or self._declared.group.ram_percent is not None]
        return Services(
            name=", ".join(needed),
            project=self._declared.project,
            needed=tuple(f"{api}.googleapis.com" for api in needed),
            known=tuple(f"{api}.googleapis.com" for api in APIS),
        )

    # Who may do what.

    def _account(self, kind: str, whose: str) -> ServiceAccount:
        body = {"displayName": f"tukur: {whose}", "description": self._mark}
        return ServiceAccount(name=f"{self.name}-{kind}", project=self._declared.project, body=body)

    def _secret(self, kind: str, *, data: bool = False) -> Secret:
        body = {"labels": self._labels, "replication": {"automatic": {}}}
        name = f"{self.name}-{kind}"
        return Secret(name=name, project=self._declared.project, body=body, holds_data=data)

    def _access(self) -> Iterator[Resource]:
        project = self._declared.project
        yield self.platform_account
        yield self.member_account
        # The ID of a role has no dashes.
        role_id = f"{self.name.replace('-', '_')}_platform"
        role = {
            "title": f"tukur hub ({self.name})",
            "description": self._mark,
            "includedPermissions": _PLATFORM_PERMISSIONS,
            "stage": "GA",
        }
        yield CustomRole(name=role_id, project=project, body=role)
        yield self._project_roles(self.platform_account, f"{self._project}/roles/{role_id}")
        writes_metric = self._declared.group.ram_percent is not None
        metric_writer = ["roles/monitoring.metricWriter"] if writes_metric else []
        yield self._project_roles(self.member_account, *metric_writer)
        platform, members = (member(one.email) for one in (self.platform_account, self.member_account))
        for secret in (self.join_secret, *self.database_secrets):
            readers = (members, platform) if secret is self.join_secret else (platform,)
            yield secret
            yield SecretAccess(secret=secret, members={_SECRET_READER: readers, _SECRET_WRITER: (platform,)})

    def _project_roles(self, account: ServiceAccount, *roles: str) -> ProjectRoles:
        project = self._declared.project
        return ProjectRoles(name=account.name, account=account.email, project=project, roles=roles)

    # The network.

    def _network(self) -> Iterator[Resource]:
        network = {
            "name": self.name,
            "description": self._mark,
            "autoCreateSubnetworks": False,
            "routingConfig": {"routingMode": "REGIONAL"},
        }
        collection = f"{self._project}/global/networks"
        fixed = frozenset({"autoCreateSubnetworks"})
        yield ComputeResource(title="network", collection=collection, body=network, unchangeable=fixed)
        yield self._subnetwork()
        # Browsers and agents reach the hub; nothing else is open, and the group's VMs are not open at all.
        yield self._firewall("https", ["0.0.0.0/0"], "443", [f"{self.name}-hub"])
        yield self._firewall("iap-ssh", [IAP_RANGE], "22", [f"{self.name}-hub", f"{self.name}-member"])
        yield self._router()

    def _subnetwork(self) -> Resource:
        body = {
            "name": self.name,
            "description": self._mark,
            "network": f"{self._project}/global/networks/{self.name}",
            "ipCidrRange": SUBNET_RANGE,
            # Secret Manager and the rest of Google, for VMs without a public address.
            "privateIpGoogleAccess": True,
        }
        fixed = frozenset({"network", "ipCidrRange"})
        collection = f"{self._region}/subnetworks"
        return Subnetwork(title="subnetwork", collection=collection, body=body, unchangeable=fixed)

    def _firewall(self, kind: str, ranges: list[str], port: str, tags: list[str]) -> Resource:
        body = {
            "name": f"{self.name}-{kind}",
            "description": self._mark,
            "network": f"{self._project}/global/networks/{self.name}",
            "direction": "INGRESS",
            "priority": 1000,
            "sourceRanges": ranges,
            "allowed": [{"IPProtocol": "tcp", "ports": [port]}],
            "targetTags": tags,
            "disabled": False,
        }
        fixed = frozenset({"network", "direction"})
        collection = f"{self._project}/global/firewalls"
        return ComputeResource(title="firewall rule", collection=collection, body=body, unchangeable=fixed)

    def _router(self) -> Resource:
        nat = {
            "name": self.name,
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
        }
        body = {
            "name": self.name,
            "description": self._mark,
            "network": f"{self._project}/global/networks/{self.name}",
            "nats": [nat],
        }
        collection = f"{self._region}/routers"
        fixed = frozenset({"network"})
        return ComputeResource(title="router with NAT", collection=collection, body=body, unchangeable=fixed)

    # The platform.

    def _platform(self) -> Iterator[Resource]:
        yield self._snapshots()
        platform = self._declared.platform
        disk = {
            "name": f"{self.name}-data",
            **self._marked,
            "sizeGb": str(platform.data_disk_gb),
            "type": f"{self._zone}/diskTypes/pd-balanced",
            "resourcePolicies": [f"{self._region}/resourcePolicies/{self.name}-daily"],
        }
        fixed = frozenset({"type"})
        yield Disk(
            title="disk", collection=f"{self._zone}/disks", body=disk, unchangeable=fixed, holds_data=True
        )
        yield self._platform_vm()

    def _snapshots(self) -> Resource:
        schedule = {"dailySchedule": {"daysInCycle": 1, "startTime": "03:00"}}
        days = self._declared.platform.snapshot_days
        keep = {"maxRetentionDays": days, "onSourceDiskDelete": "KEEP_AUTO_SNAPSHOTS"}
        body = {
            "name": f"{self.name}-daily",
            "description": self._mark,
            "snapshotSchedulePolicy": {
                "schedule": schedule,
                "retentionPolicy": keep,
                "snapshotProperties": {"labels": self._labels, "storageLocations": [self._declared.region]},
            },
        }
        collection = f"{self._region}/resourcePolicies"
        return ComputeResource(title="snapshot schedule", collection=collection, body=body, holds_data=True)

    def _platform_vm(self) -> Resource:
        platform = self._declared.platform
        data = {
            "source": f"{self._zone}/disks/{self.name}-data",
            "deviceName": DATA_DISK,
            "mode": "READ_WRITE",
            "autoDelete": False,
        }
        boot = self._boot_disk(platform.image, platform.boot_disk_gb, f"{self._zone}/diskTypes/pd-balanced")
        nat = {
            "type": "ONE_TO_ONE_NAT",
            "name": "External NAT",
            "natIP": self._address,
            "networkTier": "PREMIUM",
        }
        interface = {"subnetwork": f"{self._region}/subnetworks/{self.name}", "accessConfigs": [nat]}
        body = {
            "name": f"{self.name}-hub",
            **self._marked,
            "machineType": f"{self._zone}/machineTypes/{platform.machine}",
            "tags": {"items": [f"{self.name}-hub"]},
            "disks": [boot, data],
            "networkInterfaces": [interface],
            "serviceAccounts": [{"email": self.platform_account.email, "scopes": _SCOPES}],
            "metadata": {"items": attributes(self._platform_attributes())},
            "scheduling": {"onHostMaintenance": "MIGRATE", "automaticRestart": True},
            "shieldedInstanceConfig": {
                "enableSecureBoot": True,
                "enableVtpm": True,
                "enableIntegrityMonitoring": True,
            },
        }
        return Instance(
            title="platform VM",
            collection=f"{self._zone}/instances",
            body=body,
            once=frozenset({"disks"}),
            unchangeable=frozenset(
                {"networkInterfaces", "serviceAccounts", "disks", "scheduling", "shieldedInstanceConfig"}
            ),
        )

    def _platform_attributes(self) -> dict[str, str]:
        images = self._declared.images
        secret, root = self.database_secrets
        return {
            **self._common_attributes("platform"),
            "tukur-compose": compose_file(),
            "tukur-image-prefix": images.prefix,
            "tukur-version": images.version,
            "tukur-group": f"regions/{self._declared.region}/instanceGroupManagers/{self.name}",
            "tukur-database-secret": secret.name,
            "tukur-database-root-secret": root.name,
            "tukur-disk": DATA_DISK,
        }

    def _member_attributes(self) -> dict[str, str]:
        common = self._common_attributes("member")
        # The agent reports its memory where it finds this attribute.
        return (
            common if self._declared.group.ram_percent is None else {**common, "tukur-ram-metric": RAM_METRIC}
        )

    def _common_attributes(self, machine: str) -> dict[str, str]:
        return {
            "startup-script": startup_script("platform" if machine == "platform" else "member"),
            "tukur-hub": self.hub_url,
            "tukur-join-secret": self.join_secret.name,
            # People sign in through the proxy, with the rights of their Google account.
            "enable-oslogin": "TRUE",
            "block-project-ssh-keys": "TRUE",
        }

    def _boot_disk(self, image: str, size_gb: int, kind: str) -> Json:
        parameters = {
            "sourceImage": image,
            "diskSizeGb": str(size_gb),
            "diskType": kind,
            "labels": self._labels,
        }
        return {"boot": True, "autoDelete": True, "type": "PERSISTENT", "initializeParams": parameters}

    # The group.

    def _group(self) -> Iterator[Resource]:
        if self._declared.group.ram_percent is not None:
            yield self.metric()
        template = self.template()
        yield template
        yield self._manager(template)
        yield self._autoscaler()

    def metric(self) -> Metric:
        """The share of memory in use, which the group scales on if the declaration says so."""
        body = {
            "type": RAM_METRIC,
            "displayName": "Memory used",
            "description": self._mark,
            "metricKind": "GAUGE",
            "valueType": "DOUBLE",
            "unit": "1",
        }
        return Metric(name=RAM_METRIC, project=self._declared.project, body=body)

    def template(self) -> ComputeResource:
        """What new VMs of the group are made of. A template never changes: other content has another name."""
        group = self._declared.group
        properties = {
            "description": self._mark,
            "labels": self._labels,
            "machineType": group.machine,
            "tags": {"items": [f"{self.name}-member"]},
            "disks": [self._boot_disk(group.image, group.boot_disk_gb, "pd-balanced")],
            # No access configuration: no public address.
            "networkInterfaces": [{"subnetwork": f"{self._region}/subnetworks/{self.name}"}],
            "serviceAccounts": [{"email": self.member_account.email, "scopes": _SCOPES}],
            "metadata": {"items": attributes(self._member_attributes())},
            "scheduling": {"onHostMaintenance": "MIGRATE", "automaticRestart": True},
        }
        content = hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:8]
        body = {"name": f"{self.name}-member-{content}", "description": self._mark, "properties": properties}
        return ComputeResource(
            title="instance template",
            collection=self.templates,
            body=body,
            once=frozenset({"properties"}),
        )

    @property
    def templates(self) -> str:
        """Where all templates are."""
        return f"{self._project}/global/instanceTemplates"

    @property
    def group(self) -> str:
        """The whole name of the group."""
        return f"{self._region}/instanceGroupManagers/{self.name}"

    def _manager(self, template: ComputeResource) -> Resource:
        group = self._declared.group
        body: Json = {
            "name": self.name,
            "description": self._mark,
            "baseInstanceName": f"{self.name}-member",
            "versions": [{"instanceTemplate": template.path}],
            "targetSize": group.min,
            # No health check by an application: a VM is repaired when it does not run, and never because its
            # agent died. The users' work on it is worth more than a minute of record.
            "autoHealingPolicies": [],
            "instanceLifecyclePolicy": {"defaultActionOnFailure": "REPAIR", "forceUpdateOnRepair": "NO"},
            # A new template is for new VMs; those that run are not replaced, nor moved for an even spread.
            "updatePolicy": {
                "type": "OPPORTUNISTIC",
                "minimalAction": "REPLACE",
                "instanceRedistributionType": "NONE",
            },
        }
        if group.zones:
            zones = [{"zone": f"{self._project}/zones/{zone}"} for zone in group.zones]
            body["distributionPolicy"] = {"zones": zones}
        return ComputeResource(
            title="instance group",
            collection=f"{self._region}/instanceGroupManagers",
            body=body,
            unchangeable=frozenset({"distributionPolicy", "baseInstanceName"}),
            # The autoscaler's business.
            once=frozenset({"targetSize"}),
        )

    def _autoscaler(self) -> Resource:
        group = self._declared.group
        policy: Json = {
            "mode": "ON",
            "minNumReplicas": group.min,
            "maxNumReplicas": group.max,
            "coolDownPeriodSec": group.warm_up_s,
            "cpuUtilization": {"utilizationTarget": group.cpu_percent / 100, "predictiveMethod": "NONE"},
            "scaleInControl": {
                "maxScaledInReplicas": {"fixed": group.scale_in_max},
                "timeWindowSec": group.scale_in_window_s,
            },
            "customMetricUtilizations": [],
        }
        if group.ram_percent is not None:
            metric = {"metric": RAM_METRIC, "utilizationTargetType": "GAUGE"}
            policy["customMetricUtilizations"] = [{**metric, "utilizationTarget": group.ram_percent / 100}]
        body = {
            "name": self.name,
            "description": self._mark,
            "target": self.group,
            "autoscalingPolicy": policy,
        }
        return Autoscaler(
            title="autoscaler",
            collection=f"{self._region}/autoscalers",
            body=body,
            unchangeable=frozenset({"target"}),
        )
