"""What is known of a run, for people: its view, history, report and next step; `reader` reads them from Redis."""
