"""`serinus import`: a Rollout and its AnalysisTemplates become a CanaryPolicy of the judge `threshold`."""
