"""What ``tukur doctor`` says of a hub on this machine; needs the hub's packages."""

import ssl
from pathlib import Path

import httpx
import msgspec

from tukur.hub.address import HubAddress, read_address
from tukur.sources.probe import Finding


def hub_findings(data_dir: Path) -> list[Finding]:
    """Whether the hub that runs, or ran last, on the data directory works; none: no hub ran there."""
    address = read_address(data_dir)
    return [] if address is None else [_check(address)]


def _check(address: HubAddress) -> Finding:
    try:
        # The system's authorities, or the hub's own.
        trusted = ssl.create_default_context(cafile=address.ca or None)
        answer = httpx.get(f"{address.url}/healthz", verify=trusted, trust_env=False, timeout=5)
        content = msgspec.json.decode(answer.content, type=dict[str, object])
    except (httpx.HTTPError, OSError, msgspec.DecodeError) as error:
        return Finding(
            what=f"hub at {address.url}",
            ok=False,
            found=f"no answer: {error}",
            remedy="start it, or see its log",
        )
    works = answer.is_success
    found = "works" if works else str(content.get("detail") or f"HTTP {answer.status_code}")
    return Finding(what=f"hub at {address.url}", ok=works, found=found, remedy="its log says why")
