"""AWS as the features use it: tables, streams, secrets and state machines."""
