"""Bank statements as banks of Kazakhstan export them: from bytes to lines that nobody has believed yet. Pure."""
