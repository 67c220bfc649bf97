"""What a program computes: recorded once, compared later."""
