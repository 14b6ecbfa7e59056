"""The keys by which the tests' Google signs identity tokens, and such tokens: good ones and forged ones."""

import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

ISSUER = "https://accounts.google.com"
LIFETIME_S = 3600


def new_key(kid: str | None = None) -> RSAKey:
    """An RSA key with its ID."""
    return RSAKey.generate_key(2048, {"kid": kid or secrets.token_hex(20), "alg": "RS256", "use": "sig"})


class SigningKeys:
    """Google's signing keys: the newest signs, all that were published verify."""

    def __init__(self, keys: list[RSAKey] | None = None) -> None:
        self.keys = keys or [new_key()]

    @classmethod
    def kept(cls, path: Path) -> "SigningKeys":
        """Those of a file, which is made where it is missing: several servers then sign as one Google."""
        if not path.exists():
            made = json.dumps(new_key().as_dict(private=True))
            temporary = path.with_suffix(f".{os.getpid()}")
            temporary.write_text(made, encoding="ascii")
            try:
                # Whoever is first wins; the others read that file.
                os.link(temporary, path)
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return cls([RSAKey.import_key(json.loads(path.read_text(encoding="ascii")))])

    @property
    def newest(self) -> RSAKey:
        """The one that signs."""
        return self.keys[-1]

    def rotate(self) -> None:
        """Adds a key, which signs from now on."""
        self.keys.append(new_key())

    def published(self) -> dict[str, Any]:
        """The public halves as a JSON Web Key Set, as https://www.googleapis.com/oauth2/v3/certs has them."""
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


@dataclass(slots=True)
class Instance:
    """A virtual machine of Compute Engine, as its metadata server describes it."""

    instance_id: str
    name: str
    zone: str = "europe-west1-b"
    project: str = "rehearsal"
    project_number: int = 123456789012
    email: str = "tukur-machine@rehearsal.iam.gserviceaccount.com"
    attributes: dict[str, str] = field(default_factory=dict)
    preempted: bool = False
    maintenance_event: str = "NONE"
    created_s: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, resource: dict[str, Any]) -> "Instance":
        """A VM of the tests' Compute Engine, as ``Google.add_instance`` returns it."""
        items = resource.get("metadata", {}).get("items", ())
        attributes = {item["key"]: item["value"] for item in items}
        project = resource["selfLink"].partition("/projects/")[2].partition("/")[0]
        zone = resource["zone"].rpartition("/")[2]
        return cls(resource["id"], resource["name"], zone, project, attributes=attributes)

    def claims(self, audience: str, *, full: bool = True, now_s: float | None = None) -> dict[str, Any]:
        """What an identity token of this instance says: the payload that Google documents."""
        issued_s = int(time.time() if now_s is None else now_s)
        claims: dict[str, Any] = {
            "aud": audience,
            "azp": "111111111111111111111",
            "email": self.email,
            "email_verified": True,
            "exp": issued_s + LIFETIME_S,
            "iat": issued_s,
            "iss": ISSUER,
            "sub": "111111111111111111111",
        }
        if full:
            claims["google"] = {
                "compute_engine": {
                    "instance_creation_timestamp": self.created_s,
                    "instance_id": self.instance_id,
                    "instance_name": self.name,
                    "project_id": self.project,
                    "project_number": self.project_number,
                    "zone": self.zone,
                }
            }
        return claims


def signed(claims: dict[str, Any], key: RSAKey) -> str:
    """The token with these claims, by RS256."""
    return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, key)
