"""The commands: the only place that reads arguments, environment and configuration folders, and prints."""
