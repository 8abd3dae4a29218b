"""What an operator sets: the settings of the process."""
