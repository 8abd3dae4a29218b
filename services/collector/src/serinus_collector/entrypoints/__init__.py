"""What sets the collector going: its loops."""
