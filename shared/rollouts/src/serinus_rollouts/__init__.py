"""What a Rollout's object means, the plan that a policy makes of it, the patches that move it, and the access to it."""
