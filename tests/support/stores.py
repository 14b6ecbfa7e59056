"""Empty stores: made once, since to make the schema takes longer than most tests that need it."""

import atexit
import shutil
import tempfile
from pathlib import Path

from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.store import Store

_TEMPLATE: list[Path] = []


async def _template() -> Path:
    if not _TEMPLATE:
        folder = Path(tempfile.mkdtemp(prefix="tukur-empty-store-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        await (await Store.open(folder)).close()
        _TEMPLATE.append(folder)
    return _TEMPLATE[0]


async def lay_empty_store(data_dir: Path) -> None:
    """Copies an empty database of the present schema there, as a hub leaves it, unless there is one."""
    if not (data_dir / DATABASE).exists():
        shutil.copytree(await _template(), data_dir, dirs_exist_ok=True)
