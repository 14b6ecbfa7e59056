"""Column types of which the databases must be told apart. Migrations use them too: none is ever changed."""

from sqlalchemy import LargeBinary, Text
from sqlalchemy.dialects import mysql

BLOB = LargeBinary(length=2**24 - 1).with_variant(mysql.MEDIUMBLOB(), "mysql")
HASH = LargeBinary(length=32).with_variant(mysql.VARBINARY(32), "mysql")
"""A BLOB cannot be a key."""
SIGNATURE = LargeBinary(length=64).with_variant(mysql.VARBINARY(64), "mysql")
DIGEST = LargeBinary(length=16).with_variant(mysql.VARBINARY(16), "mysql")
LONG_TEXT = Text().with_variant(mysql.MEDIUMTEXT(), "mysql")
"""A TEXT ends at 65,535 bytes, a command line at 65,536 characters."""
