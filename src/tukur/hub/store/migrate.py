"""Brings a database's schema up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from tukur.hub.store.errors import DamagedError, NewerVersionError

_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_VERSION_TABLE = "alembic_version"


def migrate(connection: Connection, name: str) -> None:
    """Runs what was not run yet, and commits. `name` is the database's, for the text of errors.

    Raises NewerVersionError, and DamagedError where the tables are of another program.
    """
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    found = MigrationContext.configure(connection).get_current_revision()
    tables = set(inspect(connection).get_table_names())
    connection.rollback()
    if tables and _VERSION_TABLE not in tables:
        # A step that was interrupted goes on over its own tables: never over somebody else's.
        raise DamagedError(
            f"the database {name} holds tables that are not tukur's ({', '.join(sorted(tables)[:3])}); "
            "an empty database expected"
        )
    if found is not None:
        _check_known(scripts, found, name)
    if found != scripts.get_current_head():
        command.upgrade(config, "head")
        connection.commit()


def newest_revision() -> str:
    """The schema's revision of this version."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def check_known(revision: str, name: str) -> None:
    """Raises NewerVersionError if the schema's revision is not one of this version's."""
    _check_known(ScriptDirectory.from_config(_config()), revision, name)


def _check_known(scripts: ScriptDirectory, revision: str, name: str) -> None:
    if revision not in {script.revision for script in scripts.walk_revisions()}:
        raise NewerVersionError(
            f"{name} is of revision {revision}, made by a newer tukur; this one knows up to "
            f"{scripts.get_current_head()}"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config
