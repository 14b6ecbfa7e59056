"""Exit code 0 if the hub in this container works, by its own /healthz; else the reason, and 1.

With the standard library alone: importing the hub's packages every few seconds would cost more than the hub.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

DATA = Path("/var/lib/tukur")


def reason() -> str:
    """Why the hub does not work; empty: it works."""
    try:
        address = json.loads((DATA / "address.json").read_text(encoding="utf-8"))
        trusted = ssl.create_default_context(cafile=address["ca"] or None)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
        )
        opener.open(f"{address['url']}/healthz", timeout=5).close()
    except FileNotFoundError:
        return "the hub has not started yet"
    except urllib.error.HTTPError as error:
        # The hub's own words, such as that the database is away.
        return error.read(1000).decode("utf-8", "replace")
    except (OSError, ValueError, KeyError) as error:
        return f"no answer: {error}"
    return ""


if __name__ == "__main__":
    found = reason()
    sys.stdout.write(f"{found or 'works'}\n")
    sys.exit(1 if found else 0)
