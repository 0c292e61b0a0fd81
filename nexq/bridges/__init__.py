"""Ways in from other systems: bridges that turn what lies there into jobs."""
