"""Live trading: the asyncio edge around the live core, its start, its doors for an operator."""
