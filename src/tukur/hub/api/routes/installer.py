"""The installer of agents: the script, and the files that it fetches. Public: they hold no secret."""

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import File

from tukur.hub.auth.gate import Connection
from tukur.hub.container import Hub
from tukur.hub.errors import ProblemError
from tukur.hub.installer.installer import Installer, InstallerError, script


def _installer(hub: Hub) -> Installer:
    folder = hub.settings.installer
    if folder is None:
        raise ProblemError(404, "no_installer", "this hub serves no installer; `make installer` makes one")
    try:
        return Installer(folder)
    except InstallerError as error:
        raise ProblemError(503, "installer_damaged", str(error)) from error


@get("/install.sh", include_in_schema=False)
async def install_script(hub: NamedDependency[Hub], request: Connection) -> Response[bytes]:
    """The script, for the address by which it was asked for."""
    _installer(hub)
    scheme = "https" if hub.settings.tls.https else "http"
    url = f"{scheme}://{request.headers.get('host', '')}{hub.settings.base_path}"
    try:
        content = script(url).encode()
    except InstallerError as error:
        raise ProblemError(421, "host_not_allowed", str(error)) from error
    headers = {"Cache-Control": "no-store"}
    return Response(content, media_type="text/x-shellscript; charset=utf-8", headers=headers)


@get("/install/{name:str}", include_in_schema=False)
async def install_file(hub: NamedDependency[Hub], name: FromPath[str]) -> File:
    """One of the files in its list."""
    path = _installer(hub).file(name)
    if path is None:
        raise ProblemError(404, "not_found", f"the installer has no file {name[:100]}")
    kind = MediaType.TEXT if path.suffix != ".whl" else "application/octet-stream"
    return File(path, filename=name, media_type=kind, headers={"Cache-Control": "no-cache"})
