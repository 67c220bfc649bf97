"""The loop's rules: what the errors of the splits, and probes, say of what holds a model back."""
