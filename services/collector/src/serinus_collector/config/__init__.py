"""What an operator sets: the settings of the process, and how metrics providers are reached."""
