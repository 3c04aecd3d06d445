"""`python -m benchmarks.load`: the load generator, a process of its own."""

import uvloop

from benchmarks.load.commands import serve

uvloop.run(serve())
