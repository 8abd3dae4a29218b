"""What the leading controller does: keep the others informed, decide on verdicts and commands, act."""
