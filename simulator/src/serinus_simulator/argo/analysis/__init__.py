"""Argo's analysis: templates, AnalysisRuns and their measurements, and what a Rollout does with them."""
