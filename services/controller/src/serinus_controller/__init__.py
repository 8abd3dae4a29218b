"""The controller turns verdicts into steps of an Argo Rollout, and tells the others which runs there are."""
