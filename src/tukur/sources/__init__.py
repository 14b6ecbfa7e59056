"""Everything that reads this machine: processes, host counters, identities."""
