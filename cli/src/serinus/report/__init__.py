"""A run's report for people: text, Markdown, or one HTML file."""
