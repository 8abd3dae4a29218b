"""What every Serinus service wires the same way, each thing in one module."""
