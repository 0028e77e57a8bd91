"""Review: cases that people decide. Other features open a case and wait; this room knows nothing of theirs."""
