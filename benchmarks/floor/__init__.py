"""The least that a quiet tick can do, written as plainly as can be."""
