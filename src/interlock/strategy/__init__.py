"""What a strategy author sees: views, intents, indicators and columns; never the kernel."""
