"""`python -m bench`: measure, print the table, write bench/results/latest.json."""

import sys

from bench.run import main

sys.exit(main(sys.argv[1:]))
