"""What people do: each deed is one transaction with its activity row, and then the gate is told."""
