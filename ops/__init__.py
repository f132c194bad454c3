"""What an operator does to a deployed stack, with their own AWS credentials."""
