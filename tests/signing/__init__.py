"""The signing side, shown with python-tuf's own client, with pip, and with processes that are killed."""
