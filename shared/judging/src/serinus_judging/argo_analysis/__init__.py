"""Argo Rollouts' analysis as a judge: conditions on the results of queries."""
