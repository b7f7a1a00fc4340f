"""What every other room uses: errors, names, clocks, the log, and the supervision of tasks."""
