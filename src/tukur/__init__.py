"""tukur: every process on every machine, every second, and a safe way to stop one."""

__version__ = "0.1.0"
