"""Measures the product beside a peer and a physical limit, in the same run."""
