"""`serinus judge`: any two sets of series are compared live, without cluster and Redis."""
