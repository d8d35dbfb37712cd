"""What tests/bench/run and tests/bench/scale share.

Modules: processes (what /proc says of them), nodes (two agencies, their six processes, and the driver),
contenders (the brokers and their clients), crowd (many peers), plot.
"""
