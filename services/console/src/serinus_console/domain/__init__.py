"""What is known of a run and how a person is told: pure."""
