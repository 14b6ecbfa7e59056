"""What the API takes and gives, and what store, services and API share: no database, no request.

Times that end in ``_ms`` are milliseconds since the epoch. ``start_ns`` is decimal text, for it can exceed
what a JavaScript number holds. Sizes are bytes, rates are per second, CPU is a share of one core (1.0 is one
core busy) for a process and of the whole machine (0 to 1) for a host.
"""
