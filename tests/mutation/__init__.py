"""Whether the tests would notice: small changes of the code, each tried against the tests in a copy."""
