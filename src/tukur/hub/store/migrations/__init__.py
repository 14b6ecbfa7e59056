"""The schema's history; ``engine.prepare`` runs it at each start."""
