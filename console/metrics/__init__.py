"""What Prometheus is told: read from rows, so that all processes and all restarts agree."""
