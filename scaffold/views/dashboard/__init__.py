"""The page that shows a project: whether it reproduces, what each change did, what is next.

Made from git, evidence and runs alone, and complete without a script: it opens from disk, offline.
"""
