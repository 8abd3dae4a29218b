"""The operator's page: what is judged and why, what happens next, and who may change it."""
