"""What checkov has nothing for: MongoDB Atlas. Read by checkov itself (--external-checks-dir)."""
from __future__ import annotations
from typing import Any
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck


def one(given: Any) -> Any:
    return given[0] if isinstance(given, list) and given else given


def roles(given: dict[str, Any]) -> list[dict[str, Any]]:
    found = given.get("roles", [])
    return [role for each in found for role in (each if isinstance(each, list) else [each])]


class Rule(BaseResourceCheck):
    says = number = resource = ""

    def __init__(self) -> None:
        super().__init__(name=self.says, id=self.number, categories=[CheckCategories.GENERAL_SECURITY], supported_resources=[self.resource])

    def holds(self, given: dict[str, Any]) -> bool:
        raise NotImplementedError

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        return CheckResult.PASSED if self.holds(conf) else CheckResult.FAILED


class EachMoment(Rule):
    says, number, resource = "Each moment of Atlas' last days can be put back", "CKV_TINCTURE_1", "mongodbatlas_advanced_cluster"

    def holds(self, given: dict[str, Any]) -> bool:
        return one(given.get("backup_enabled")) is True and one(given.get("pit_enabled")) is True


class NotEnded(Rule):
    says, number, resource = "An Atlas cluster can't be ended by mistake", "CKV_TINCTURE_2", "mongodbatlas_advanced_cluster"

    def holds(self, given: dict[str, Any]) -> bool:
        return one(given.get("termination_protection_enabled")) is True


class OwnKey(Rule):
    says, number, resource = "Atlas' disks are encrypted by our key", "CKV_TINCTURE_3", "mongodbatlas_advanced_cluster"

    def holds(self, given: dict[str, Any]) -> bool:
        return one(given.get("encryption_at_rest_provider")) == "GCP"


class LeastPrivilege(Rule):
    says, number, resource = "A user of Atlas is of one database, and administers none", "CKV_TINCTURE_4", "mongodbatlas_database_user"

    def holds(self, given: dict[str, Any]) -> bool:
        allowed = ("read", "readWrite")
        return bool(roles(given)) and all(one(role.get("role_name")) in allowed and one(role.get("database_name")) != "admin" for role in roles(given))


class NoOpenDoor(Rule):
    says, number, resource = "Atlas is reached by its private endpoint alone", "CKV_TINCTURE_5", "mongodbatlas_project_ip_access_list"

    def holds(self, given: dict[str, Any]) -> bool:
        return False


checks = [EachMoment(), NotEnded(), OwnKey(), LeastPrivilege(), NoOpenDoor()]
