"""What a Rollout's object means, what is decided, and the patches that carry it out: pure."""
