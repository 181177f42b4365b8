"""The ground floor: integer values, instruments, orders, events, effects and facts."""
