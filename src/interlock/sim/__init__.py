"""The in-memory exchange: matching, accounts, costs and a ladder of fidelities."""
