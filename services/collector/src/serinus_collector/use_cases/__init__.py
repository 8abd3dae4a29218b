"""Which of the runs that are due is collected next."""
