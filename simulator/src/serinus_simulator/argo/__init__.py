"""Argo Rollouts as far as canary steps go, held against recordings of the real one."""
