"""The whole system under one seed: the real core, recovery and protocol in virtual time, judged.

``run(plan)`` plays a plan and returns its verdict. Everything that happens follows from the plan:
no clock, no chance of the machine, no sockets and no files.
"""
