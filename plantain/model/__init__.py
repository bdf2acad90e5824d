"""The network: its name, its weights, its text features; trained, or drawn anew."""
