"""The operator's commands, a file a noun. Only here is anything printed."""
