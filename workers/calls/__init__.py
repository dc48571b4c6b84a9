"""The runner: the program, under a guard, in which a firing calls somebody instead of starting something."""
