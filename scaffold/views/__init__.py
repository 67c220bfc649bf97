"""Text for people, from the same objects that JSON is made of. Prints nothing."""
