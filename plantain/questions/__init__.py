"""What can be asked of a saved run, one question a file; nothing here measures."""
