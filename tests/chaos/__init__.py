"""The chaos run: real servers, workers and beats under faults at random, and the payloads' own records of it."""
