"""One small change at a time, each judged against the snapshot before."""
