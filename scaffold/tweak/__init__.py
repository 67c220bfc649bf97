"""One small change at a time, each judged against the state before."""
