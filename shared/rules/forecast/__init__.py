"""What will run when: the coming hours of all schedules, replayed through the rules that admit firings."""
