"""The operator's file: YAML in, one validated Config out, or every mistake in it."""
