"""What is tested, against real servers."""
